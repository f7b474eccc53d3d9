"""The life of one model on a device: the table of install steps, the durable record, and the pure moves between them.

Every move takes a record and gives the next one; `machine.py` saves it before it acts on it. A cut of the power
therefore finds a record that says what was about to be done, and every step can be done again from its start.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import GoldenResult, InstallReport, Outcome, ShadowResult

FORMAT = 2
TRIES = 3
MAX_REJECTED = 64
MAX_ENDED = 16


class Step(StrEnum):
    """Where an install stands."""

    IDLE = "idle"
    FETCH = "fetch"  # bring the package's files to this device
    STAGE = "stage"  # write them to the spare slot, read them back, compare
    TRIAL = "trial"  # golden self-test and budgets, in a worker
    SHADOW = "shadow"  # compare with the active model on copies of real requests
    COMMIT = "commit"  # make the candidate the active model
    ROLL_BACK = "roll_back"  # leave the candidate's slot
    REPORT = "report"  # tell how it ended


NEXT = {  # step: (on success, on failure)
    Step.FETCH: (Step.STAGE, Step.REPORT),
    Step.STAGE: (Step.TRIAL, Step.REPORT),
    Step.TRIAL: (Step.SHADOW, Step.ROLL_BACK),
    Step.SHADOW: (Step.COMMIT, Step.ROLL_BACK),
    Step.COMMIT: (Step.REPORT, Step.ROLL_BACK),
    Step.ROLL_BACK: (Step.REPORT, Step.REPORT),
    Step.REPORT: (Step.IDLE, Step.IDLE),
}


class SlotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a slot holds, all of it read back and compared."""

    counter: int
    version: int
    manifest_sha256: str
    target: str


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An install on its way, or an active package on its way out (then `slot` is the active slot)."""

    install: Install
    slot: str
    manifest_bytes: int
    tries_left: int = TRIES
    interruptions: int = 0
    received_bytes: int = 0  # what has crossed the link for it
    spoiled: tuple[str, ...] = ()  # delta blobs that did not give what was promised
    rotted: tuple[str, ...] = ()  # files in slots that were to be built upon and have other bytes by now
    used_delta: bool = False
    full_bytes: int = 0
    target: str = ""
    ended_in: Step = Step.IDLE
    outcome: Outcome | None = None
    reason: str = ""
    golden: GoldenResult | None = None
    shadow: ShadowResult | None = None
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    memory_bytes: int = 0


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a device must not forget about one model. `floor` never falls."""

    format: int = FORMAT
    model: str
    generation: int = 0
    step: Step = Step.IDLE
    active: str = ""  # "a", "b", or "" for none
    slots: dict[str, SlotRecord | None] = msgspec.field(default_factory=lambda: {"a": None, "b": None})
    floor: int = 0
    candidate: Candidate | None = None
    rejected: dict[str, str] = {}  # manifest digest: why
    ended: tuple[str, ...] = ()  # ids of the latest reports


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    sha256: str
    record: msgspec.Raw


def encode(record: ModelRecord) -> bytes:
    """The bytes of state.json: `{"format", "sha256" (of the record's bytes), "record"}`."""
    body = msgspec.json.encode(record)
    return msgspec.json.encode(
        _Stored(format=FORMAT, sha256=hashlib.sha256(body).hexdigest(), record=msgspec.Raw(body))
    )


def decode(data: bytes) -> ModelRecord:
    """Parse state.json; raises HostileInput if a single bit is off."""
    try:
        stored = msgspec.json.decode(data, type=_Stored)
        if stored.format != FORMAT:
            raise HostileInput(f"state format {stored.format} is not known; this agent reads {FORMAT}", field="format")
        if hashlib.sha256(stored.record).hexdigest() != stored.sha256:
            raise HostileInput("the record's checksum does not fit", field="sha256")
        return msgspec.json.decode(stored.record, type=ModelRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a state record: {error}") from error


def other(slot: str) -> str:
    """The slot that `slot` is not."""
    return "b" if slot == "a" else "a"


def active_slot(record: ModelRecord) -> SlotRecord | None:
    """What runs now."""
    return record.slots.get(record.active)


def held_manifests(record: ModelRecord) -> tuple[str, ...]:
    """The digests of the manifests in both slots: what deltas may be based on."""
    return tuple(sorted({kept.manifest_sha256 for kept in record.slots.values() if kept}))


def is_wanted(record: ModelRecord, install: Install) -> bool:
    """Whether an order's install is still to be begun: it is neither done here, nor has it ended badly here."""
    if record.step is not Step.IDLE:
        return False
    active = active_slot(record)
    is_active = active is not None and active.manifest_sha256 == install.manifest_sha256
    ends = {outcome for outcome in Outcome if report_id(install.deployment, install.counter, outcome) in record.ended}
    return not (ends - {Outcome.COMMITTED}) and not (is_active and Outcome.COMMITTED in ends)


def objection(record: ModelRecord, install: Install) -> str:
    """Why this device will not install that ('' where nothing speaks against it)."""
    if install.counter < record.floor:
        return f"release counter {install.counter} is below this device's floor {record.floor}"
    if install.manifest_sha256 in record.rejected and not install.is_reoffer:
        return f"this device has rejected it before: {record.rejected[install.manifest_sha256]}"
    return ""


def begin(record: ModelRecord, install: Install, manifest_bytes: int, refusal: str = "") -> ModelRecord:
    """Take up an install; one that is refused, or active already, goes straight to its report."""
    candidate = Candidate(install=install, slot=other(record.active), manifest_bytes=manifest_bytes)
    active = active_slot(record)
    reason = refusal or objection(record, install)
    if reason:
        return _end(record, candidate, Step.FETCH, Outcome.REFUSED, reason)
    if active is not None and active.manifest_sha256 == install.manifest_sha256:
        return _end(record, candidate, Step.FETCH, Outcome.COMMITTED, "it was active already")
    rejected = {sha256: why for sha256, why in record.rejected.items() if sha256 != install.manifest_sha256}
    return msgspec.structs.replace(record, step=Step.FETCH, candidate=candidate, rejected=rejected)


def advance(record: ModelRecord, *, is_ok: bool, reason: str = "", outcome: Outcome = Outcome.FAILED) -> ModelRecord:
    """Leave the present step for its successor in NEXT. `reason` and `outcome` tell of a failure."""
    candidate, step = record.candidate, record.step
    if candidate is None or step is Step.IDLE:
        raise ValueError(f"nothing to advance: {record.model} is {step}")
    following = NEXT[step][0 if is_ok else 1]
    if not is_ok:
        if step in (Step.TRIAL, Step.SHADOW):
            outcome, record = Outcome.ROLLED_BACK, _reject(record, candidate, reason)
        candidate = msgspec.structs.replace(candidate, outcome=outcome, reason=reason, ended_in=step)
    elif step is Step.FETCH:
        record = _with_slot(record, candidate.slot, None)
    elif step is Step.STAGE:
        record = _with_slot(record, candidate.slot, _slot_record(candidate))
    elif step is Step.COMMIT:
        candidate = msgspec.structs.replace(candidate, outcome=Outcome.COMMITTED, ended_in=step)
        floor = max(record.floor, candidate.install.counter)
        record = msgspec.structs.replace(record, active=candidate.slot, floor=floor)
    elif step is Step.ROLL_BACK:
        record = _leave(record, candidate)
    elif step is Step.REPORT:
        ended = (*record.ended, to_report(record, 0.0).id)[-MAX_ENDED:]
        return msgspec.structs.replace(record, step=following, candidate=None, ended=ended)
    return msgspec.structs.replace(record, step=following, candidate=candidate)


def candidate_of(record: ModelRecord) -> Candidate:
    """The present candidate; raises ValueError where there is none."""
    if record.candidate is None:
        raise ValueError(f"{record.model} has no candidate")
    return record.candidate


def arm(record: ModelRecord) -> ModelRecord:
    """Spend one try, before the worker runs."""
    return _with_candidate(record, tries_left=candidate_of(record).tries_left - 1)


def disarm(record: ModelRecord) -> ModelRecord:
    """Give the try back: the supervisor was asked to stop, the candidate is not to blame."""
    return msgspec.structs.replace(
        _with_candidate(record, tries_left=candidate_of(record).tries_left + 1), step=Step.TRIAL
    )


def boot(record: ModelRecord) -> ModelRecord:
    """What a fresh start makes of the record: a trial is repeated while tries are left, all else is done again."""
    if record.candidate is None:
        return msgspec.structs.replace(record, step=Step.IDLE)
    record = _with_candidate(record, interruptions=record.candidate.interruptions + 1)
    if record.step in (Step.TRIAL, Step.SHADOW):
        record = msgspec.structs.replace(record, step=Step.TRIAL)
        if candidate_of(record).tries_left <= 0:
            return advance(record, is_ok=False, reason=f"{TRIES} starts did not finish its trial")
    return record


def roll_back(record: ModelRecord, order: Rollback) -> ModelRecord:
    """Give up the release of that counter, be it the candidate or active; unchanged where it is neither."""
    candidate, active = record.candidate, active_slot(record)
    if candidate is not None and candidate.install.counter == order.counter:
        if record.step not in (Step.FETCH, Step.STAGE, Step.TRIAL, Step.SHADOW):
            return record
        following = Step.REPORT if record.step is Step.FETCH else Step.ROLL_BACK
        ended = _end(
            _reject(record, candidate, order.reason), candidate, record.step, Outcome.ROLLED_BACK, order.reason
        )
        return msgspec.structs.replace(ended, step=following)
    if record.step is not Step.IDLE or active is None or active.counter != order.counter:
        return record
    if report_id(order.deployment, order.counter, Outcome.FAILED) in record.ended:
        return record
    leaving = Candidate(install=_as_install(order, active), slot=record.active, manifest_bytes=0)
    ended = _end(record, leaving, Step.ROLL_BACK, Outcome.ROLLED_BACK, order.reason)
    return msgspec.structs.replace(ended, step=Step.ROLL_BACK)


def supersede(record: ModelRecord, counter: int) -> ModelRecord:
    """Drop a candidate that is still being fetched, for a newer release."""
    candidate = record.candidate
    if candidate is None or record.step is not Step.FETCH or counter <= candidate.install.counter:
        return record
    return advance(record, is_ok=False, reason=f"release {counter} came before it was fetched")


def lose_slot(record: ModelRecord, slot: str, *, is_other_good: bool) -> ModelRecord:
    """Forget a slot whose files no longer verify; the other one serves if it verifies and has passed its trial."""
    record = _with_slot(record, slot, None)
    if record.active != slot:
        return record
    candidate = record.candidate
    is_filled = candidate is not None and candidate.slot == other(slot) and record.step not in (Step.FETCH, Step.REPORT)
    if not is_other_good or is_filled:  # an untried candidate does not serve
        return msgspec.structs.replace(record, active="")
    if candidate is not None and candidate.slot == other(slot):
        record = _with_candidate(record, slot=slot)
    return msgspec.structs.replace(record, active=other(slot))


def report_id(deployment: str, counter: int, outcome: Outcome) -> str:
    """Names a report, so that telling it twice is telling it once."""
    return f"{deployment}:{counter}:{outcome}"


def to_report(record: ModelRecord, now: float) -> InstallReport:
    """How the present candidate's install ended."""
    candidate = candidate_of(record)
    install, outcome = candidate.install, candidate.outcome or Outcome.FAILED
    return InstallReport(
        id=report_id(install.deployment, install.counter, outcome),
        at=now,
        deployment=install.deployment,
        model=record.model,
        counter=install.counter,
        outcome=outcome,
        step=candidate.ended_in,
        reason=candidate.reason,
        golden=candidate.golden,
        shadow=candidate.shadow,
        latency_p50_ms=candidate.latency_p50_ms,
        latency_p95_ms=candidate.latency_p95_ms,
        memory_bytes=candidate.memory_bytes,
        received_bytes=candidate.received_bytes,
        full_bytes=candidate.full_bytes,
        used_delta=candidate.used_delta,
        interruptions=candidate.interruptions,
    )


def _with_candidate(record: ModelRecord, **changes: object) -> ModelRecord:
    return msgspec.structs.replace(record, candidate=msgspec.structs.replace(candidate_of(record), **changes))


def _with_slot(record: ModelRecord, slot: str, content: SlotRecord | None) -> ModelRecord:
    return msgspec.structs.replace(record, slots={**record.slots, slot: content})


def _slot_record(candidate: Candidate) -> SlotRecord:
    return SlotRecord(
        counter=candidate.install.counter,
        version=candidate.install.version,
        manifest_sha256=candidate.install.manifest_sha256,
        target=candidate.target,
    )


def _end(record: ModelRecord, candidate: Candidate, step: Step, outcome: Outcome, reason: str) -> ModelRecord:
    candidate = msgspec.structs.replace(candidate, ended_in=step, outcome=outcome, reason=reason)
    return msgspec.structs.replace(record, step=Step.REPORT, candidate=candidate)


def _leave(record: ModelRecord, candidate: Candidate) -> ModelRecord:
    if candidate.slot == record.active:
        record = msgspec.structs.replace(record, active=other(candidate.slot))
        record = _reject(record, candidate, candidate.reason)
    return _with_slot(record, candidate.slot, None)


def _reject(record: ModelRecord, candidate: Candidate, reason: str) -> ModelRecord:
    rejected = {**record.rejected, candidate.install.manifest_sha256: reason}
    return msgspec.structs.replace(record, rejected=dict(list(rejected.items())[-MAX_REJECTED:]))


def _as_install(order: Rollback, active: SlotRecord) -> Install:
    return Install(
        deployment=order.deployment,
        model=order.model,
        version=active.version,
        counter=active.counter,
        target_path="",
        manifest_sha256=active.manifest_sha256,
        fetches=(),
    )
