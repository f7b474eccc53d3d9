"""One model's install machine: takes the step that the record names, and saves the next record before acting on it.

`step` does one short thing and returns, so one loop drives all models and still listens to the hub. What a step does
may be cut off anywhere and is then done again from its start; which step that is, `states.boot` says.
"""

from __future__ import annotations

import contextlib
import math

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import SLOTS, ModelFolder, Sampling, SpoolFull, StageFailed
from edgewright.agent.install import Fetcher
from edgewright.agent.machine.admission import Admission
from edgewright.agent.machine.awaking import awake, is_good, tell_recovery
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.machine.telling import Telling
from edgewright.agent.machine.terms import LeaseOver, Terms, unreadable
from edgewright.agent.machine.trying import Trying, Verdict, shadow_of
from edgewright.agent.states import Crash, ModelRecord, Step, candidate_of
from edgewright.agent.system import logs
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Refused, Unreachable
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import Deferral, ModelState, Outcome


class NothingToGoBackTo(Refused):
    """A roll back was asked for where it cannot be done."""

    code = "nothing_to_go_back_to"
    hint = "A device keeps the package before the active one, unless that has failed or an install has begun."


class Machine:
    """Keeps one model on this device: always a working one, and the ordered one as soon as it has proved itself."""

    def __init__(self, model: str, equipment: Equipment) -> None:
        self.model = model
        self.folder = ModelFolder(equipment.root / "models" / model, model)
        self._equipment = equipment
        self._socket = equipment.root / "run" / f"{model}.shadow"
        staging = equipment.root / "staging" / model
        self._admission = Admission(model, equipment)
        others = self._admission.held_by_others
        self._fetcher = Fetcher(staging, equipment.source, equipment.patch, equipment.is_pausing, others)
        self._trying = Trying(self.folder, self._socket, equipment)
        self._telling = Telling(self.folder, equipment)
        self._terms = Terms(equipment)
        self._actions = {
            Step.FETCH: self._fetch,
            Step.STAGE: self._stage,
            Step.TRIAL: self._try,
            Step.SHADOW: self._shadow,
            Step.COMMIT: self._commit,
            Step.ROLL_BACK: self._roll_back,
            Step.REPORT: self._report,
        }
        found = awake(self.folder)
        self.record = found.record
        self._telling.follow(self.record)  # before anything is written: a full disk keeps nobody from being served
        if found.is_recovered:
            tell_recovery(self.record, equipment)
        if found.is_news:
            self.record = self.folder.save(self.record)
        if self.record.candidate is None:
            self._fetcher.forget()
        self._tell()

    @property
    def is_idle(self) -> bool:
        """Whether no install is on its way."""
        return self.record.step is Step.IDLE

    @property
    def settles_in_s(self) -> float:
        """Until the active package has served for so long that it is settled; infinite where it is, or none serves."""
        active = states.active_slot(self.record)
        if active is None or active.is_settled:
            return math.inf
        return max(0.0, self._telling.serves_since_s + states.SETTLED_S - self._equipment.uptime_s())

    def wants(self, install: Install) -> bool:
        """Whether an ordered install is to be begun now."""
        return states.is_wanted(self.record, install)

    def offer(self, install: Install, manifest: Manifest, data: bytes) -> None:
        """Take up an install, whose manifest (`data` its bytes) the release role vouches for, if it is wanted."""
        if not self.wants(install):
            return
        self._trying.end()  # what was found of the candidate before says nothing of this one
        self._fetcher.keep_manifest(data)
        record = states.begin(self.record, install, len(data), self._admission.objection(install, manifest))
        candidate = candidate_of(record)
        full_bytes = len(data) + sum(file.size_bytes for file in manifest.files)
        candidate = msgspec.structs.replace(
            candidate, full_bytes=full_bytes, received_bytes=len(data), target=manifest.target
        )
        self._save(msgspec.structs.replace(record, candidate=candidate))

    def refuse(self, install: Install, reason: str) -> None:
        """Report an install as refused that did not even come to an offer."""
        if self.wants(install):
            self._save(states.begin(self.record, install, 0, reason))

    def give_up(self, order: Rollback) -> None:
        """Leave the release that the order names, if it is here."""
        record = states.roll_back(self.record, order)
        if record is not self.record:
            self._trying.end()
            self._save(record)

    def heed(self, install: Install) -> None:
        """Hear what an order says of the install under way: new terms for it, or another one in its place."""
        record = states.supersede(self.record, install, self._equipment.lease_time())
        if record is self.record and (renewed := states.renew(record, install)) is not record:
            record = states.refuse(record, why) if (why := unreadable(install.windows)) else renewed
        if record.step is not self.record.step:
            self._trying.end()
        self._change(record)

    def blame(self, crash: Crash) -> None:
        """Lay a crash to the active package, if it is its; with the third within a day, it gives way."""
        logs.warn("a package that serves has crashed", model=self.model, reason=crash.reason)
        blamed = states.blame(self.record, crash, self._equipment.instant())
        if blamed is not self.record:
            with contextlib.suppress(SpoolFull):
                self._equipment.tell_fault(self.model, "crashed", crash.reason)
        self._change(blamed)

    def go_back(self, reason: str) -> None:
        """Begin to go back to the spare slot's package, as somebody on this device wishes; raises NothingToGoBackTo."""
        spare = states.stand_in(self.record)
        if spare is None or not is_good(self.record, spare.slot, self.folder):
            raise NothingToGoBackTo(f"there is no working package of {self.model} beside the active one", field="model")
        record = states.leave(self.record, reason)
        if record is self.record:
            raise NothingToGoBackTo(f"another install of {self.model} is under way", field="model")
        self._save(record)

    def suspect(self) -> None:
        """Hear that the device went down soon after its last start, without having been shut down."""
        self._change(states.suspect(self.record))

    def collect(self, sampling: Sampling | None) -> None:
        """Pass an order to collect samples on to the apps."""
        self._telling.sampling = sampling
        self._tell()

    def step(self) -> bool:
        """Take the present step, or a piece of it. True: there is more to do at once.

        Raises Unreachable or NotAllowed (then try later), and OSError where the disk gives trouble.
        """
        self._change(states.give_way(self.record))
        if self.settles_in_s == 0:
            self._change(states.settle(self.record))
        if self.is_idle:
            return False
        return self._actions[self.record.step]()

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once it is worth taking the next step; () where none can tell."""
        return (*self._fetcher.waits_on(), *self._trying.waits_on())

    def stop(self) -> None:
        """End what runs for the install, without blaming the candidate."""
        self._fetcher.rest()
        if self.record.step in (Step.TRIAL, Step.SHADOW) and self._trying.is_under_way(self.record):
            self._trying.end()
            self._save(states.disarm(self.record))

    @property
    def deferral(self) -> Deferral | None:
        """The install that this device puts off for now."""
        return self._terms.deferral(self.record)

    @property
    def wait(self) -> str:
        """Why the install under way does not go on, in words; '' where it does, or waits for its window or the hub."""
        return self._terms.wait(self.record)

    def state(self) -> ModelState:
        """What a check-in says of this model."""
        active = states.active_slot(self.record)
        candidate = self.record.candidate
        return ModelState(
            model=self.model,
            version=active.version if active else 0,
            counter=active.counter if active else 0,
            manifest_sha256=active.manifest_sha256 if active else "",
            step=self.record.step,
            candidate_counter=candidate.install.counter if candidate else 0,
            held_manifests=states.held_manifests(self.record),
        )

    def _fetch(self) -> bool:
        before = candidate_of(self.record)
        try:
            candidate, is_done = self._fetcher.advance(before, self.folder.held(self.record))
        except (Unreachable, NotAllowed):
            raise
        except (EdgewrightError, OSError) as error:
            return self._advance(is_ok=False, reason=str(error))
        for sha256 in candidate.rotted[len(before.rotted) :]:
            logs.warn("a file in a slot has other bytes by now; the install goes on without it", sha256=sha256)
            what = f"the file {sha256[:12]} in a slot has other bytes by now"
            self._equipment.tell_fault(self.model, "base_rotted", what)
        if candidate is not before:
            self._save(msgspec.structs.replace(self.record, candidate=candidate))
        if not is_done:
            return not self._fetcher.is_waiting
        self._terms.hold_try(self.record)  # before the spare slot is given up for it
        return self._advance(is_ok=True)

    def _stage(self) -> bool:
        candidate = candidate_of(self.record)
        try:
            data = self._fetcher.path(candidate.install.manifest_sha256).read_bytes()
            self.folder.stage(candidate.slot, data, self._fetcher.path)
        except (StageFailed, HostileInput, OSError) as error:
            return self._advance(is_ok=False, reason=str(error))
        return self._advance(is_ok=True)

    def _try(self) -> bool:
        if self._trying.is_under_way(self.record):
            return self._take(self._trying.trial(self.record))
        self._terms.hold_try(self.record)
        self._save(states.arm(self.record))
        try:
            self._trying.start(self.record)
        except OSError:  # no process can be started now, and the candidate is not to blame for that
            self._save(states.disarm(self.record))
            raise
        return True

    def _shadow(self) -> bool:
        if not self._trying.is_under_way(self.record):  # it was ended, and what should follow could not be saved
            self._save(states.disarm(self.record))
            return True
        if not self._trying.is_shadow_ready and shadow_of(self.record) is not None:
            self._hold_shadow()
        verdict = self._trying.shadow(self.record)
        self._tell()  # of the socket, once it is bound
        if verdict is None and self._trying.lasts_s >= states.SETTLED_S:
            self._change(states.outlast(self.record))
        return self._take(verdict)

    def _hold_shadow(self) -> None:
        """Begin no shadow phase after the lease: the trial is done again with the next one, and costs no try."""
        try:
            self._terms.hold_lease(self.record)
        except LeaseOver:
            self._trying.end()
            self._save(states.disarm(self.record))
            raise

    def _take(self, verdict: Verdict | None) -> bool:
        if verdict is None:
            return self._trying.has_more
        record = msgspec.structs.replace(self.record, candidate=verdict.candidate)
        self._save(states.advance(record, is_ok=verdict.is_ok, reason=verdict.reason))
        return True

    def _commit(self) -> bool:
        self._terms.hold_switch(self.record)
        candidate = candidate_of(self.record)
        manifest = self.folder.manifest(candidate.slot)
        if manifest is None or not self.folder.verifies(candidate.slot, candidate.install.manifest_sha256):
            return self._advance(is_ok=False, reason="the slot no longer reads back as it was written")
        if why := self._admission.lack(manifest):
            return self._advance(is_ok=False, reason=why)
        self._terms.hold_lease(self.record)  # reading a slot takes its time
        self.folder.mark_committed(candidate.slot, candidate.install.deployment)
        is_busy = self._advance(is_ok=True)
        self.folder.keep_floor(self.record.floor)
        if self._equipment.is_often_cut_off():
            self._change(states.settle(self.record))
        return is_busy

    def _roll_back(self) -> bool:
        candidate = candidate_of(self.record)
        if candidate.slot != self.record.active:
            self.folder.clear(candidate.slot)
            return self._advance(is_ok=True)
        if not is_good(self.record, states.other(candidate.slot), self.folder):
            return self._stay(candidate.is_own_wish, candidate.reason)
        self.folder.unmark_committed(candidate.slot)
        return self._advance(is_ok=True)

    def _stay(self, is_own_wish: bool, why: str) -> bool:
        """Keep the active package, which ought to give way, as there is no other: it is better than none."""
        if not is_own_wish:
            return self._advance(is_ok=False, reason="there is no working package in the spare slot to go back to")
        what = f"{why}; there is no working package in the spare slot to go back to, so it goes on"
        self._equipment.tell_fault(self.model, "nothing_to_go_back_to", what)
        self._fetcher.forget()
        self._save(states.stay(self.record))
        return False

    def _report(self) -> bool:
        report = states.to_report(self.record, self._equipment.clock())
        if report.deployment:
            self._equipment.reports.append(report)
        else:  # the record was lost since, and with it by which deployment the package had come
            self._equipment.tell_fault(self.model, report.outcome, f"release {report.counter}: {report.reason}")
        self._fetcher.forget()
        for slot in SLOTS:
            if self.record.slots[slot] is None and slot != self.record.active:
                self.folder.clear(slot)
        logs.say(
            "install ended", model=self.model, counter=report.counter, outcome=report.outcome, reason=report.reason
        )
        return self._advance(is_ok=True)

    def _advance(self, *, is_ok: bool, reason: str = "", outcome: Outcome = Outcome.FAILED) -> bool:
        self._save(states.advance(self.record, is_ok=is_ok, reason=reason, outcome=outcome))
        return not self.is_idle

    def _change(self, record: ModelRecord) -> None:
        if record is not self.record:
            self._save(record)

    def _save(self, record: ModelRecord) -> None:
        self.record = self.folder.save(record)
        logs.say("install step", model=self.model, step=record.step, generation=self.record.generation)
        self._tell()

    def _tell(self) -> None:
        self._telling.follow(self.record)
        self._telling.announce(self._socket if self._trying.is_shadow_ready else None)
