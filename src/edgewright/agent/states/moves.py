"""The table of install steps, and the pure moves from record to record."""

from __future__ import annotations

import msgspec

from edgewright.agent.states.record import (
    TRIES,
    Candidate,
    ModelRecord,
    SlotRecord,
    Step,
    active_slot,
    candidate_of,
    other,
    with_candidate,
    with_slot,
)
from edgewright.agent.states.reports import report_id, to_report
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import Outcome

MAX_REJECTED = 64
MAX_ENDED = 16

NEXT = {  # step: (on success, on failure)
    Step.FETCH: (Step.STAGE, Step.REPORT),
    Step.STAGE: (Step.TRIAL, Step.REPORT),
    Step.TRIAL: (Step.SHADOW, Step.ROLL_BACK),
    Step.SHADOW: (Step.COMMIT, Step.ROLL_BACK),
    Step.COMMIT: (Step.REPORT, Step.ROLL_BACK),
    Step.ROLL_BACK: (Step.REPORT, Step.REPORT),
    Step.REPORT: (Step.IDLE, Step.IDLE),
}

UNDER_WAY = (Step.FETCH, Step.STAGE, Step.TRIAL, Step.SHADOW, Step.COMMIT)
"""The steps in which a candidate may still come to serve."""


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
        record = with_slot(record, record.active, msgspec.structs.replace(active, deployment=install.deployment))
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
        record = with_slot(record, candidate.slot, None)
    elif step is Step.STAGE:
        record = with_slot(record, candidate.slot, _slot_record(candidate))
    elif step is Step.COMMIT:
        candidate = msgspec.structs.replace(candidate, outcome=Outcome.COMMITTED, ended_in=step)
        floor = max(record.floor, candidate.install.counter)
        record = _activate(msgspec.structs.replace(record, floor=floor), candidate.slot)
    elif step is Step.ROLL_BACK:
        record = _leave(record, candidate)
    elif step is Step.REPORT:
        ended = (*record.ended, to_report(record, 0.0).id)[-MAX_ENDED:]
        return msgspec.structs.replace(record, step=following, candidate=None, ended=ended)
    return msgspec.structs.replace(record, step=following, candidate=candidate)


def arm(record: ModelRecord) -> ModelRecord:
    """Spend one try, before the worker runs."""
    return with_candidate(record, tries_left=candidate_of(record).tries_left - 1)


def disarm(record: ModelRecord) -> ModelRecord:
    """Give the try back: the supervisor was asked to stop, the candidate is not to blame."""
    tries_left = min(TRIES, candidate_of(record).tries_left + 1)
    return msgspec.structs.replace(with_candidate(record, tries_left=tries_left), step=Step.TRIAL)


def outlast(record: ModelRecord) -> ModelRecord:
    """Give all tries back: the candidate has run for long beside the active model, and the device has not gone down."""
    return record if candidate_of(record).tries_left == TRIES else with_candidate(record, tries_left=TRIES)


def boot(record: ModelRecord) -> ModelRecord:
    """What a fresh start makes of the record: a trial is repeated while tries are left, all else is done again."""
    if record.candidate is None:
        return msgspec.structs.replace(record, step=Step.IDLE)
    record = with_candidate(record, interruptions=record.candidate.interruptions + 1)
    if record.step in (Step.TRIAL, Step.SHADOW):
        record = msgspec.structs.replace(record, step=Step.TRIAL)
        if candidate_of(record).tries_left <= 0:
            return advance(record, is_ok=False, reason=f"{TRIES} starts did not finish its trial")
    return record


def unstage(record: ModelRecord) -> ModelRecord:
    """Bring the candidate anew, whose slot does not hold it as the record says. Tries that were spent stay spent."""
    return msgspec.structs.replace(with_slot(record, candidate_of(record).slot, None), step=Step.FETCH)


def roll_back(record: ModelRecord, order: Rollback) -> ModelRecord:
    """Give up the release of that counter, be it the candidate or active; unchanged where it is neither."""
    candidate, active = record.candidate, active_slot(record)
    if candidate is not None and candidate.install.counter == order.counter:
        if record.step not in UNDER_WAY:
            return record
        rejected = _reject(record, candidate, order.reason)
        return _drop(rejected, candidate, Outcome.ROLLED_BACK, order.reason)
    if record.step is not Step.IDLE or active is None or active.counter != order.counter:
        return record
    if report_id(order.deployment, order.counter, Outcome.FAILED) in record.ended:
        return record
    install = _as_install(record.model, active, order.deployment)
    leaving = Candidate(install=install, slot=record.active, manifest_bytes=0)
    ended = _end(record, leaving, Step.ROLL_BACK, Outcome.ROLLED_BACK, order.reason)
    return msgspec.structs.replace(ended, step=Step.ROLL_BACK)


def leave(record: ModelRecord, reason: str) -> ModelRecord:
    """Begin to give the active release up for the spare slot, by this device's own wish; unchanged where none serves.

    An install that is only being fetched is dropped for it without a word: its order still holds and begins it again.
    """
    active = active_slot(record)
    if record.step not in (Step.IDLE, Step.FETCH) or active is None:
        return record
    install = _as_install(record.model, active, active.deployment)
    leaving = Candidate(install=install, slot=record.active, manifest_bytes=0, is_own_wish=True)
    ended = _end(record, leaving, Step.ROLL_BACK, Outcome.ROLLED_BACK, reason)
    return msgspec.structs.replace(ended, step=Step.ROLL_BACK)


def stay(record: ModelRecord) -> ModelRecord:
    """Give up leaving the active release, as there is nothing to go back to; remembered, so that it is told once."""
    active = active_slot(record)
    digest = active.manifest_sha256 if active else ""
    return msgspec.structs.replace(record, step=Step.IDLE, candidate=None, stays=digest)


def supersede(record: ModelRecord, install: Install, now: float) -> ModelRecord:
    """Drop the candidate for another install: while it is being fetched for a newer release, and once its lease is
    over for any deployment that has one. `now` is the believed time, in seconds since the epoch.
    """
    candidate = record.candidate
    if candidate is None or record.step not in UNDER_WAY:
        return record
    if record.step is Step.FETCH and install.counter > candidate.install.counter:
        return advance(record, is_ok=False, reason=f"release {install.counter} came before it was fetched")
    is_another = install.deployment != candidate.install.deployment
    if not is_another or not is_lease_over(candidate.install, now) or is_lease_over(install, now):
        return record
    reason = f"its lease was over when the deployment {install.deployment} came"
    return _drop(record, candidate, Outcome.FAILED, reason)


def refuse(record: ModelRecord, reason: str) -> ModelRecord:
    """Drop the install under way, as what its order says of it cannot be followed. Its package is not to blame."""
    candidate = record.candidate
    if candidate is None or record.step not in UNDER_WAY:
        return record
    return _drop(record, candidate, Outcome.REFUSED, reason)


def renew(record: ModelRecord, install: Install) -> ModelRecord:
    """Take over what a later order says of the install under way: lease, windows, how long it may be put off.

    Unchanged where it names another install, or says the same again.
    """
    candidate = record.candidate
    if candidate is None or record.step not in UNDER_WAY:
        return record
    known = candidate.install
    named = (install.deployment, install.counter, install.manifest_sha256)
    if named != (known.deployment, known.counter, known.manifest_sha256):
        return record
    terms = {"windows": install.windows, "begin_by": install.begin_by, "lease_until": install.lease_until}
    renewed = msgspec.structs.replace(known, **terms)
    return record if renewed == known else with_candidate(record, install=renewed)


def is_lease_over(install: Install, now: float) -> bool:
    """Whether an install may neither be tried nor take over any more, unless a later order says so again."""
    return install.lease_until is not None and now > install.lease_until


def lose_slot(record: ModelRecord, slot: str, *, is_other_good: bool) -> ModelRecord:
    """Forget a slot whose files no longer verify; the other one serves if it verifies and has passed its trial."""
    record = with_slot(record, slot, None)
    if record.active != slot:
        return record
    candidate = record.candidate
    is_filled = candidate is not None and candidate.slot == other(slot) and record.step not in (Step.FETCH, Step.REPORT)
    if not is_other_good or is_filled:  # an untried candidate does not serve
        return _activate(record, "")
    if candidate is not None and candidate.slot == other(slot):
        record = with_candidate(record, slot=slot)
    return _activate(record, other(slot))


def _slot_record(candidate: Candidate) -> SlotRecord:
    return SlotRecord(
        counter=candidate.install.counter,
        version=candidate.install.version,
        manifest_sha256=candidate.install.manifest_sha256,
        target=candidate.target,
        deployment=candidate.install.deployment,
    )


def _end(record: ModelRecord, candidate: Candidate, step: Step, outcome: Outcome, reason: str) -> ModelRecord:
    candidate = msgspec.structs.replace(candidate, ended_in=step, outcome=outcome, reason=reason)
    return msgspec.structs.replace(record, step=Step.REPORT, candidate=candidate)


def _drop(record: ModelRecord, candidate: Candidate, outcome: Outcome, reason: str) -> ModelRecord:
    """End an install under way; what it has put into the spare slot goes."""
    ended = _end(record, candidate, record.step, outcome, reason)
    return msgspec.structs.replace(ended, step=Step.REPORT if record.step is Step.FETCH else Step.ROLL_BACK)


def _leave(record: ModelRecord, candidate: Candidate) -> ModelRecord:
    if candidate.slot == record.active:
        record = _activate(_reject(record, candidate, candidate.reason), other(candidate.slot))
    return with_slot(record, candidate.slot, None)


def _activate(record: ModelRecord, slot: str) -> ModelRecord:
    """Let another slot serve: what its forerunner is blamed for is no fault of it."""
    return msgspec.structs.replace(record, active=slot, crashes=(), short_boots=0, stays="")


def _reject(record: ModelRecord, candidate: Candidate, reason: str) -> ModelRecord:
    rejected = {**record.rejected, candidate.install.manifest_sha256: reason}
    return msgspec.structs.replace(record, rejected=dict(list(rejected.items())[-MAX_REJECTED:]))


def _as_install(model: str, active: SlotRecord, deployment: str) -> Install:
    return Install(
        deployment=deployment,
        model=model,
        version=active.version,
        counter=active.counter,
        target_path="",
        manifest_sha256=active.manifest_sha256,
        fetches=(),
    )
