"""One model's install machine: takes the step that the record names, and saves the next record before acting on it.

`step` does one short thing and returns, so one loop drives all models and still listens to the hub. What a step does
may be cut off anywhere and is then done again from its start; which step that is, `states.boot` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent import states
from edgewright.agent.disk import (
    SLOTS,
    Condition,
    ModelFolder,
    Policy,
    Sampling,
    Settings,
    StageFailed,
    Writer,
    durable,
    policy,
)
from edgewright.agent.install import Fetcher, Patch, Source, lack, misfit
from edgewright.agent.states import ModelRecord, Step, candidate_of
from edgewright.agent.system import logs
from edgewright.agent.trial import Line, ShadowDone, ShadowReady, Trial, TrialResult, Trials, judge_shadow
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Install, Rollback, Shadow
from edgewright.contract.report import Capabilities, Fault, ModelState, Outcome, Pace


@dataclass(frozen=True)
class Equipment:
    """What the machines of a device share."""

    root: Path
    settings: Settings
    source: Source
    patch: Patch
    trials: Trials
    reports: Writer
    measure: Callable[[], Capabilities]
    clock: Callable[[], float]  # seconds since the epoch, as the device believes
    monotonic: Callable[[], float]
    is_pausing: Callable[[], bool]  # whether a download shall give way to the loop
    pace: Callable[[], Pace] = Pace  # what bytes cost this device, as it measured


class Machine:
    """Keeps one model on this device: always a working one, and the ordered one as soon as it has proved itself."""

    def __init__(self, model: str, equipment: Equipment) -> None:
        self.model = model
        self.folder = ModelFolder(equipment.root / "models" / model, model)
        self._equipment = equipment
        self._socket = equipment.root / "run" / f"{model}.shadow"
        staging = equipment.root / "staging" / model
        self._fetcher = Fetcher(staging, equipment.source, equipment.patch, equipment.is_pausing)
        self._trial: Trial | None = None
        self._trial_ends_at = 0.0
        self._heard: deque[Line] = deque()
        self._is_shadow_ready = False
        self._sampling: Sampling | None = None
        self._told: Policy | None = None
        self._actions = {
            Step.FETCH: self._fetch,
            Step.STAGE: self._stage,
            Step.TRIAL: self._try,
            Step.SHADOW: self._shadow,
            Step.COMMIT: self._commit,
            Step.ROLL_BACK: self._roll_back,
            Step.REPORT: self._report,
        }
        self.record = self._boot()

    @property
    def is_idle(self) -> bool:
        """Whether no install is on its way."""
        return self.record.step is Step.IDLE

    def wants(self, install: Install) -> bool:
        """Whether an ordered install is to be begun now."""
        return states.is_wanted(self.record, install)

    def offer(self, install: Install, manifest: Manifest, data: bytes) -> None:
        """Take up an install, whose manifest (`data` its bytes) the release role vouches for, if it is wanted."""
        if not self.wants(install):
            return
        self._fetcher.keep_manifest(data)
        refusal = misfit(manifest, self._equipment.measure(), install.fetches) or lack(manifest, self._counter_of)
        record = states.begin(self.record, install, len(data), refusal)
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
            self._end_trial()
            self._save(record)

    def supersede(self, counter: int) -> None:
        """Stop fetching an older release."""
        record = states.supersede(self.record, counter)
        if record is not self.record:
            self._save(record)

    def collect(self, sampling: Sampling | None) -> None:
        """Pass an order to collect samples on to the apps."""
        self._sampling = sampling
        self._tell()

    def step(self) -> bool:
        """Take the present step, or a piece of it. True: there is more to do at once.

        Raises Unreachable or NotAllowed (then try later), and OSError where the disk gives trouble.
        """
        if self.is_idle:
            return False
        return self._actions[self.record.step]()

    def stop(self) -> None:
        """End the trial, if one runs, without blaming the candidate."""
        if self._trial is not None:
            self._end_trial()
            self._save(states.disarm(self.record))

    def _counter_of(self, model: str) -> int:
        """The release of another model that serves on this device; 0 for none."""
        record, _ = ModelFolder(self._equipment.root / "models" / model, model).load()
        active = states.active_slot(record)
        return active.counter if active else 0

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

    def _boot(self) -> ModelRecord:
        """Find out what was going on, check that what shall serve can serve, and save what comes next."""
        loaded, condition = self.folder.load()
        if condition is Condition.RECOVERED:
            self._report_recovery(loaded)
        record = states.boot(self._without_broken_slot(loaded))
        durable.make_folder(self._socket.parent)
        durable.remove(self._socket)
        if record.candidate is None:
            self._fetcher.forget()
        self.record = record
        if record != loaded or condition is not Condition.WHOLE:
            self.record = self.folder.save(record)
        self._tell()
        return self.record

    def _without_broken_slot(self, record: ModelRecord) -> ModelRecord:
        active = states.active_slot(record)
        if active is None or self.folder.verifies(record.active, active.manifest_sha256):
            return record
        logs.warn("the active slot does not verify", model=self.model, slot=record.active)
        is_other_good = self._is_good(record, states.other(record.active))
        return states.lose_slot(record, record.active, is_other_good=is_other_good)

    def _is_good(self, record: ModelRecord, slot: str) -> bool:
        held = record.slots[slot]
        return held is not None and self.folder.verifies(slot, held.manifest_sha256)

    def _report_recovery(self, record: ModelRecord) -> None:
        logs.warn("both state records were damaged; recovered from the slots", model=self.model, floor=record.floor)
        self._report_fault(
            "state_recovered", f"both records were damaged; recovered release {record.floor} from the slots"
        )

    def _report_rot(self, sha256: str) -> None:
        logs.warn("a file in a slot has other bytes by now; the install goes on without it", sha256=sha256)
        self._report_fault("base_rotted", f"the file {sha256[:12]} in a slot has other bytes by now")

    def _report_fault(self, code: str, what: str) -> None:
        now = self._equipment.clock()
        fault = Fault(id=f"{code}:{self.model}:{now}", at=now, code=code, message=f"{self.model}: {what}")
        self._equipment.reports.append(fault)

    def _fetch(self) -> bool:
        before = candidate_of(self.record)
        try:
            candidate, is_done = self._fetcher.advance(before, self.folder.held(self.record))
        except (Unreachable, NotAllowed):
            raise
        except (EdgewrightError, OSError) as error:
            return self._advance(is_ok=False, reason=str(error))
        for sha256 in candidate.rotted[len(before.rotted) :]:
            self._report_rot(sha256)
        if candidate is not before:
            self._save(msgspec.structs.replace(self.record, candidate=candidate))
        return self._advance(is_ok=True) if is_done else True

    def _stage(self) -> bool:
        candidate = candidate_of(self.record)
        try:
            data = self._fetcher.path(candidate.install.manifest_sha256).read_bytes()
            self.folder.stage(candidate.slot, data, self._fetcher.path)
        except (StageFailed, HostileInput, OSError) as error:
            return self._advance(is_ok=False, reason=str(error))
        return self._advance(is_ok=True)

    def _try(self) -> bool:
        if self._trial is None:
            self._save(states.arm(self.record))
            self._start_trial()
            return True
        ending = self._trial.ending()
        line = self._hear()
        if isinstance(line, TrialResult):
            return self._take_result(line)
        if line is not None:
            return self._fail_trial("the worker spoke out of turn")
        if ending:
            return self._fail_trial(f"{ending} during its trial")
        return self._wait_for_trial()

    def _take_result(self, line: TrialResult) -> bool:
        candidate = msgspec.structs.replace(
            candidate_of(self.record),
            golden=line.golden,
            latency_p50_ms=line.latency_p50_ms,
            latency_p95_ms=line.latency_p95_ms,
            memory_bytes=line.memory_bytes,
        )
        self.record = msgspec.structs.replace(self.record, candidate=candidate)
        if not line.ok:
            return self._fail_trial(line.reason)
        if (shadow := self._shadow_policy()) is not None:
            self._trial_ends_at += shadow.max_wait_s
        return self._advance(is_ok=True)

    def _shadow(self) -> bool:
        policy = self._shadow_policy()
        if policy is None:
            self._end_trial()
            return self._advance(is_ok=True)
        if self._trial is None:  # lost with a former supervisor: see states.boot
            raise RuntimeError("a shadow phase without its worker")
        ending = self._trial.ending()
        line = self._hear()
        if isinstance(line, ShadowReady):
            self._is_shadow_ready = True
            self._tell()
            return True
        if isinstance(line, ShadowDone):
            return self._take_shadow(line, policy)
        if line is not None:
            return self._fail_trial("the worker spoke out of turn")
        if ending:
            return self._fail_trial(f"{ending} during its shadow phase")
        return self._wait_for_trial()

    def _take_shadow(self, line: ShadowDone, policy: Shadow) -> bool:
        if not line.ok or line.shadow is None:
            return self._fail_trial(line.reason or "the shadow phase was not carried out")
        is_passed, reason = judge_shadow(line.shadow, policy)
        candidate = msgspec.structs.replace(candidate_of(self.record), shadow=line.shadow, reason=reason)
        self.record = msgspec.structs.replace(self.record, candidate=candidate)
        if not is_passed:
            return self._fail_trial(reason)
        self._end_trial()
        return self._advance(is_ok=True)

    def _commit(self) -> bool:
        candidate = candidate_of(self.record)
        if not self.folder.verifies(candidate.slot, candidate.install.manifest_sha256):
            return self._advance(is_ok=False, reason="the slot no longer reads back as it was written")
        self.folder.mark_committed(candidate.slot)
        return self._advance(is_ok=True)

    def _roll_back(self) -> bool:
        candidate = candidate_of(self.record)
        if candidate.slot != self.record.active:
            self.folder.clear(candidate.slot)
            return self._advance(is_ok=True)
        if not self._is_good(self.record, states.other(candidate.slot)):
            return self._advance(is_ok=False, reason="there is no working package in the spare slot to go back to")
        self.folder.unmark_committed(candidate.slot)
        return self._advance(is_ok=True)

    def _report(self) -> bool:
        report = states.to_report(self.record, self._equipment.clock())
        self._equipment.reports.append(report)
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

    def _save(self, record: ModelRecord) -> None:
        self.record = self.folder.save(record)
        logs.say("install step", model=self.model, step=record.step, generation=self.record.generation)
        self._tell()

    def _tell(self) -> None:
        """Write policy.json where it changes."""
        socket = str(self._socket) if self._is_shadow_ready else ""
        told = Policy(sampling=self._sampling, shadow_socket=socket, window_s=self._equipment.settings.window_s)
        if told != self._told:
            durable.replace(self.folder.path / policy.NAME, policy.encode(told))
            self._told = told

    def _shadow_policy(self) -> Shadow | None:
        return candidate_of(self.record).install.shadow if self.record.active else None

    def _start_trial(self) -> None:
        candidate, active = candidate_of(self.record), self.record.active
        durable.remove(self._socket)
        self._trial = self._equipment.trials.start(
            self.folder.slot(candidate.slot),
            self.folder.slot(active) if active else None,
            self._shadow_policy(),
            self._socket,
        )
        self._trial_ends_at = self._equipment.monotonic() + self._equipment.settings.trial_timeout_s

    def _hear(self) -> Line | None:
        """The next line of the worker, which may say several at once; None if it says nothing now."""
        if not self._heard and self._trial is not None:
            try:
                self._heard.extend(self._trial.lines())
            except HostileInput as error:
                self._heard.append(TrialResult(ok=False, reason=error.message))
        return self._heard.popleft() if self._heard else None

    def _wait_for_trial(self) -> bool:
        if self._equipment.monotonic() > self._trial_ends_at:
            return self._fail_trial("the worker did not finish in time")
        return False

    def _fail_trial(self, reason: str) -> bool:
        self._end_trial()
        return self._advance(is_ok=False, reason=reason)

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.kill()
        self._trial = None
        self._heard.clear()
        self._is_shadow_ready = False
        durable.remove(self._socket)
