"""What a device must not forget about one model, and the bytes of it."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Install
from edgewright.contract.report import GoldenResult, Outcome, ShadowResult

FORMAT = 3
TRIES = 3


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


class SlotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a slot holds, all of it read back and compared."""

    counter: int
    version: int
    manifest_sha256: str
    target: str
    deployment: str = ""  # which brought it, and under which the device reports if it goes back by itself
    is_settled: bool = False  # whether it has served for so long that a device's going down is not laid to it


class Active(msgspec.Struct, frozen=True, kw_only=True):
    """A package that shall serve, for those who serve it."""

    slot: str
    manifest_sha256: str
    version: int
    counter: int


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """A moment as a device knows it: `at` in seconds since the epoch, as it believes; which boot; how long since."""

    at: float
    boot: str
    uptime_s: float


class CrashNote(msgspec.Struct, frozen=True, kw_only=True):
    """One crash that the active package is blamed for."""

    when: Instant
    reason: str


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
    is_own_wish: bool = False  # this device gives its active package up by itself: nobody ordered that
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
    crashes: tuple[CrashNote, ...] = ()  # of the active package, in its latest day
    short_boots: int = 0  # how often in a row the device went down soon after its start, since the commit
    stays: str = ""  # digest of an active package that ought to give way, and has nothing to give way to


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


def active_package(record: ModelRecord) -> Active | None:
    """What shall serve, or None."""
    return _package(record, record.active)


def stand_in(record: ModelRecord) -> Active | None:
    """What of the spare slot may serve where the active package cannot: it did once, and was not given up."""
    spare = other(record.active)
    is_being_tried = record.candidate is not None and record.candidate.slot == spare and record.step is not Step.FETCH
    found = _package(record, spare) if record.active and not is_being_tried else None
    return None if found is None or found.manifest_sha256 in record.rejected else found


def candidate_of(record: ModelRecord) -> Candidate:
    """The present candidate; raises ValueError where there is none."""
    if record.candidate is None:
        raise ValueError(f"{record.model} has no candidate")
    return record.candidate


def with_candidate(record: ModelRecord, **changes: object) -> ModelRecord:
    """The record with another candidate."""
    return msgspec.structs.replace(record, candidate=msgspec.structs.replace(candidate_of(record), **changes))


def with_slot(record: ModelRecord, slot: str, content: SlotRecord | None) -> ModelRecord:
    """The record with another content of a slot."""
    return msgspec.structs.replace(record, slots={**record.slots, slot: content})


def _package(record: ModelRecord, slot: str) -> Active | None:
    held = record.slots.get(slot)
    if held is None:
        return None
    return Active(slot=slot, manifest_sha256=held.manifest_sha256, version=held.version, counter=held.counter)
