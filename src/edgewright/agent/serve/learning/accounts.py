"""What was spent of a model's privacy on this device: DIR/run/MODEL.privacy.json, one account for all processes.

Epsilons add up (basic composition). A window is paid for, durably, before its noise is drawn: what a cut of the power
loses is a window, never the account.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable

FOLDER = "run"
DAY_S = 86_400
MAX_BYTES = 4096
MODE = 0o660
"""Apps of several users may serve one model: those of the folder's group share its account."""


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thousandths of epsilon that were spent on the day with that number (since the epoch), and in all."""

    format: int = 1
    day: int
    day_milli: int
    total_milli: int
    windows: int


class Accounts:
    """The account of one model; safe in several processes."""

    def __init__(self, root: Path, model: str) -> None:
        self._path = root / FOLDER / f"{model}.privacy.json"

    def pay(self, now: float, epsilon_milli: int, daily_milli: int) -> bool:
        """Spend so much on one window; False where the day's budget is spent, or the account cannot be kept."""
        try:
            with self._locked():
                today = int(now // DAY_S)
                paid = charge(self._load(today, daily_milli), today, epsilon_milli, daily_milli)
                if paid is not None:
                    self._save(paid)
                return paid is not None
        except OSError:
            return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        durable.make_folder(self._path.parent)
        fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _save(self, account: Account) -> None:
        durable.replace(self._path, msgspec.json.encode(account), MODE)

    def _load(self, today: int, daily_milli: int) -> Account:
        """The account; where it is damaged, a new one whose budget is spent for today."""
        try:
            return msgspec.json.decode(self._path.read_bytes()[:MAX_BYTES], type=Account)
        except FileNotFoundError:
            return Account(day=today, day_milli=0, total_milli=0, windows=0)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._save(Account(day=today, day_milli=daily_milli, total_milli=0, windows=0))
            return self._load(today, daily_milli)


def charge(account: Account, today: int, epsilon_milli: int, daily_milli: int) -> Account | None:
    """The account after one window more; None where the day's budget does not hold it. No I/O.

    A clock that goes back brings no new day; one that was far ahead, and is right again, has spent today's budget.
    """
    day = max(account.day, today) if account.day <= today + 1 else today
    spent_milli = account.day_milli if day == account.day else 0 if day > account.day else daily_milli
    if daily_milli and spent_milli + epsilon_milli > daily_milli:
        return None
    return Account(
        day=day,
        day_milli=spent_milli + epsilon_milli,
        total_milli=account.total_milli + epsilon_milli,
        windows=account.windows + 1,
    )
