"""What this device trusts: that it is whole, and until when it counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent.disk import floors as floor_files
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.status import span

SOON_S = 30 * 86_400.0
SIGNERS = "At the hub, those who hold the keys sign anew: `edgewright keys status` says which."


class _Signed(msgspec.Struct, frozen=True):
    expires: datetime


class _Metadata(msgspec.Struct, frozen=True):
    signed: _Signed


def floors(case: Case) -> Iterator[Finding]:
    """The floors, below which nothing is believed, are whole and doubled."""
    copies = [case.root / name for name in (floor_files.NAME, floor_files.BACKUP)]
    if case.identity is None and not any(path.exists() for path in copies):
        return
    whole = [floor_files.is_whole(path) for path in copies]
    if all(whole):
        yield ok("floors", "both copies are whole")
    elif any(whole):
        help = "The agent writes it again at its next start; if it comes back, the storage is failing."
        yield warn("floors", f"{copies[whole.index(False)].name} is damaged or gone; its double is whole", help)
    else:
        help = "The agent goes by what is left in tuf/. Check the storage, and who may write to the folder."
        yield bad("floors", "both copies are damaged or gone", help)


def expiry(case: Case) -> Iterator[Finding]:
    """What was signed for long counts for a while yet."""
    root_expires = None
    for path in sorted((case.root / "tuf").glob("*.json")):
        expires = _expires(path)
        if expires is None:
            yield warn("metadata", f"{path.name} cannot be read", "The agent fetches it again from its hub.")
        elif path.name == "root.json":
            root_expires = expires
    if root_expires is None:
        if case.identity is not None:
            yield bad("metadata", "there is no root that this device trusts", "Enrol this device anew.")
        return
    left_s = root_expires - case.clock()
    if left_s < 0:
        yield bad("metadata", f"the root ended {span(-left_s)} ago: no order is believed", SIGNERS)
    elif left_s < SOON_S:
        yield warn("metadata", f"the root ends in {span(left_s)}", SIGNERS)
    else:
        yield ok("metadata", f"the root counts for {span(left_s)} more")


def _expires(path: Path) -> float | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Metadata).signed.expires.astimezone(UTC).timestamp()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, OverflowError):
        return None
