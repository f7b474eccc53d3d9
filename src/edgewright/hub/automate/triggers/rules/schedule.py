"""Times of a schedule: cron expressions in a time zone, as Debian's cron reads them where clocks are changed."""

from __future__ import annotations

import functools
import math
from datetime import UTC, datetime
from itertools import islice, takewhile

from cronsim import CronSim, CronSimError

from edgewright.contract import windows
from edgewright.contract.api import OnTime
from edgewright.contract.errors import InvalidInput

FIELDS = 5
MAX_COUNTED = 1000
_HINT = "Write minute, hour, day, month and weekday, like '0 3 * * mon-fri'."


def check_schedule(when: OnTime, now: float, field: str = "when") -> None:
    """Raise InvalidInput unless the expression can be read and will ever strike."""
    windows.zone(when.time_zone, f"{field}.time_zone")
    if len(when.cron.split()) != FIELDS:
        raise InvalidInput(
            f"'{when.cron[:60]}' has {len(when.cron.split())} fields and not {FIELDS}",
            field=f"{field}.cron",
            hint=_HINT,
        )
    try:
        next(CronSim(when.cron, _local(when, now)))
    except CronSimError as error:
        message = f"'{when.cron[:60]}' cannot be read: {str(error).lower()}"
        raise InvalidInput(message, field=f"{field}.cron", hint=_HINT) from error
    except StopIteration as error:
        message = f"'{when.cron[:60]}' never strikes"
        raise InvalidInput(message, field=f"{field}.cron", hint="Name a day that its months have.") from error


@functools.lru_cache(maxsize=1024)
def next_strike(when: OnTime, after: float) -> float:
    """The first time of the schedule after a moment. Wants a schedule that has been checked."""
    return next(CronSim(when.cron, _local(when, after))).timestamp()


def strikes(when: OnTime, after: float, until: float) -> list[float]:
    """The times of the schedule after `after` and not after `until`, the first MAX_COUNTED of them."""
    times = (at.timestamp() for at in CronSim(when.cron, _local(when, after)))
    return list(islice(takewhile(lambda at: at <= until, times), MAX_COUNTED))


def last_strike(when: OnTime, until: float) -> float:
    """The last time of the schedule that is not after a moment."""
    at = _local(when, math.floor(until) + 1)  # a reader that goes back takes what lies before
    return next(CronSim(when.cron, at, reverse=True)).timestamp()


def local_time(when: OnTime, at: float) -> str:
    """A moment as the schedule's place reads its clock."""
    return _local(when, at).strftime("%Y-%m-%d %H:%M %Z")


def _local(when: OnTime, at: float) -> datetime:
    return datetime.fromtimestamp(at, windows.zone(when.time_zone) or UTC)
