"""How many bytes of samples a model may still send today: DIR/run/MODEL.sent, one account for all processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable

DAY_S = 86_400
MAX_BYTES = 1024


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on the day of that number (since the epoch)."""

    day: int
    spent_bytes: int


class Daily:
    """The account of one model; a day begins at midnight UTC by the device's clock."""

    def __init__(self, root: Path, model: str) -> None:
        self._path = root / "run" / f"{model}.sent"

    def pay(self, now: float, sizes: Sequence[int], limit_bytes: int) -> int:
        """How many of these, from the first on, today's budget holds; they are paid for. Raises OSError."""
        durable.make_folder(self._path.parent)
        fd = os.open(self._path.with_suffix(".sent-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            count, spent = charge(self._load(), int(now // DAY_S), sizes, limit_bytes)
            durable.replace(self._path, msgspec.json.encode(spent))
            return count
        finally:
            os.close(fd)

    def _load(self) -> Spent | None:
        """None where there is no account yet, or one that cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes()[:MAX_BYTES], type=Spent)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return None


def charge(before: Spent | None, today: int, sizes: Sequence[int], limit_bytes: int) -> tuple[int, Spent]:
    """How many fit, and the account after them; a clock that goes back a day begins no new one. No I/O."""
    is_same = before is not None and today <= before.day <= today + 1
    day, spent_bytes = (before.day, before.spent_bytes) if is_same and before is not None else (today, 0)
    totals = list(accumulate(sizes, initial=spent_bytes))
    count = sum(total <= limit_bytes for total in totals[1:]) if limit_bytes else len(sizes)
    return count, Spent(day=day, spent_bytes=totals[count])
