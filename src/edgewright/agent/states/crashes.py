"""When an active package that passed its trial must give way after all: it crashes, or the device goes down with it.

Three crashes within a day are too many, and so are five boots in a row that each ended, without a shut down, within
an hour of their start. The latter is evidence of a kind only, as power is cut for many reasons: it counts until the
package has once served for an hour, and not at all on a device that was being cut off before the package came.
"""

from __future__ import annotations

import msgspec

from edgewright.agent.states.moves import leave
from edgewright.agent.states.record import CrashNote, Instant, ModelRecord, Step, active_slot, with_slot

MAX_CRASHES = 3
CRASH_WINDOW_S = 86_400.0
MAX_SHORT_BOOTS = 5
SETTLED_S = 3600.0  # of serving without the device's going down
PLAUSIBLE_S = 366 * 86_400.0  # that a device may have been off
MAX_REASON_CHARS = 200


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """A process that served a model died while it was loading the package or while it was answering with it."""

    model: str
    manifest_sha256: str
    reason: str


def blame(record: ModelRecord, crash: Crash, now: Instant) -> ModelRecord:
    """Lay a crash to the active package, and give it up with the third within a day.

    Unchanged where the crash is another package's, or there is known to be nothing to go back to.
    """
    active = active_slot(record)
    if active is None or crash.manifest_sha256 != active.manifest_sha256 or record.stays == active.manifest_sha256:
        return record
    recent = [_dated(note, now) for note in record.crashes if elapsed_s(note.when, now) < CRASH_WINDOW_S]
    notes = (*recent, CrashNote(when=now, reason=crash.reason[:MAX_REASON_CHARS]))[-MAX_CRASHES:]
    return give_way(msgspec.structs.replace(record, crashes=notes))


def suspect(record: ModelRecord) -> ModelRecord:
    """Note that the device went down soon after its start, and give up a young package with the fifth time in a row."""
    active = active_slot(record)
    if active is None or active.is_settled:
        return record
    return give_way(msgspec.structs.replace(record, short_boots=record.short_boots + 1))


def settle(record: ModelRecord) -> ModelRecord:
    """Note that the active package has served for SETTLED_S: from now on, a device's going down is not laid to it."""
    active = active_slot(record)
    if active is None or active.is_settled:
        return record
    settled = msgspec.structs.replace(active, is_settled=True)
    return with_slot(msgspec.structs.replace(record, short_boots=0), record.active, settled)


def give_way(record: ModelRecord) -> ModelRecord:
    """Begin to leave an active package that is to blame, unless a candidate is being tried just now."""
    active = active_slot(record)
    reason = _reason(record)
    if not reason or active is None or record.stays == active.manifest_sha256:
        return record
    return leave(record, reason) if record.step in (Step.IDLE, Step.FETCH) else record


def is_failing(record: ModelRecord) -> bool:
    """Whether the active package ought to give way."""
    return bool(_reason(record))


def elapsed_s(since: Instant, now: Instant) -> float:
    """How long ago `since` was, whatever the clock does.

    Within one boot the kernel counts. Across boots the believed time does, unless it went back or leapt by a year:
    then nothing is known of it, and the crash counts.
    """
    if since.boot == now.boot:
        return max(0.0, now.uptime_s - since.uptime_s)
    believed_s = now.at - since.at
    return believed_s if 0 <= believed_s < PLAUSIBLE_S else 0.0


def _dated(note: CrashNote, now: Instant) -> CrashNote:
    """A note with a date in the future was made by a clock that was wrong: it ages from now on."""
    return msgspec.structs.replace(note, when=now) if note.when.at > now.at and note.when.boot != now.boot else note


def _reason(record: ModelRecord) -> str:
    if len(record.crashes) >= MAX_CRASHES:
        why = "; ".join(dict.fromkeys(note.reason for note in record.crashes))
        return f"it crashed {len(record.crashes)} times within a day: {why}"
    if record.short_boots >= MAX_SHORT_BOOTS:
        return f"the device went down {record.short_boots} times in a row within an hour of its start"
    return ""
