"""Takes windows in: each exactly once by device, boot and number, whatever is sent again or out of order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import Profile
from edgewright.contract.report import ProfileWindow
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.observe import behaviour
from edgewright.hub.observe.behaviour import Answers, answers_of
from edgewright.hub.observe.windows import numbers, table
from edgewright.hub.observe.windows.lenses import Lenses

MAX_WINDOW_ROWS = 2**31
MAX_AHEAD_S = 86400.0
"""How far a device's clock may run ahead of ours before its windows are refused."""
MAX_BEHIND_S = 400 * 86400.0
"""Older windows are refused, so that what has come need not be remembered for ever."""
MOST_OF_PRIVACY = 1_000_000
"""No policy has a larger epsilon (in thousandths), or asks for more rows of a category."""
KEPT_S = 2 * 86400.0
KEPT = 50_000
"""Windows that detectors have seen are kept so long, and so many, to name devices and to explain alerts."""
MAX_REASON_CHARS = 300

log = structlog.get_logger()


class Intake:
    """Stores windows for the detectors, and adds them to what is known of devices for ever."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float], lenses: Lenses) -> None:
        self._db = db
        self._events = events
        self._clock = clock
        self._lenses = lenses

    def take(self, connection: sa.Connection, device: str, windows: Sequence[ProfileWindow]) -> list[str]:
        """Store the windows of `device` and return all their ids: it may forget them.

        A window that is known already changes nothing. One that cannot be read is refused with an event, and
        acknowledged all the same, or it would come again for ever.
        """
        fresh = self._fresh(connection, device, windows)
        taken: dict[tuple[str, int], list[ProfileWindow]] = {}
        answers: dict[tuple[str, int, int], list[Answers]] = {}
        for window in fresh:
            try:
                profile = self._read(window)
            except HostileInput as error:
                self._refuse(connection, device, window, error)
                continue
            place = (window.model, window.version, behaviour.span_of(window.end))
            answers.setdefault(place, []).append(answers_of(profile))
            taken.setdefault((window.model, window.version), []).append(window)
        for (model, version, span), several in answers.items():
            behaviour.add(connection, device, model, version, span, behaviour.together(several))
        for (model, version), some in taken.items():
            self._keep(connection, device, model, version, some)
        return [window.id for window in windows]

    def prune(self) -> int:
        """Forget windows that nothing needs any more; returns how many that were."""
        now = self._clock()
        with self._db.write() as connection:
            return table.prune(connection, now - KEPT_S, KEPT, now - MAX_BEHIND_S - MAX_AHEAD_S)

    def _fresh(self, connection: sa.Connection, device: str, windows: Sequence[ProfileWindow]) -> list[ProfileWindow]:
        """Those that have not come before; from now on they have."""
        places = [numbers.parse(window.id[:200]) for window in windows]
        known = table.stretches(connection, device, {boot for boot, _ in places})
        found = dict(known)
        fresh, ends = [], dict.fromkeys(found, 0.0)
        for window, (boot, number) in zip(windows, places, strict=True):
            grown = numbers.add(found.get(boot, []), number)
            if grown is not None:
                found[boot] = grown
                ends[boot] = max(ends.get(boot, 0.0), window.end if window.end < 1e12 else 0.0)
                fresh.append(window)
        for boot, end in ends.items():
            if found[boot] is not known.get(boot):
                table.save_stretches(connection, device, boot, found[boot], end, is_new=boot not in known)
        return fresh

    def _keep(
        self, connection: sa.Connection, device: str, model: str, version: int, some: Sequence[ProfileWindow]
    ) -> None:
        names = [name for name in ProfileWindow.__struct_fields__ if name in table.window.c]
        arrived: dict[str, Any] = {"device": device, "arrived_at": self._clock(), "is_waiting": True}
        rows = [{name: getattr(window, name) for name in names} | arrived for window in some]
        connection.execute(sa.insert(table.window), rows)
        count, total = len(some), sum(window.rows for window in some)
        span = (min(window.start for window in some), max(window.end for window in some))
        table.add_usage(connection, device, model, version, count, total, span)
        facts = {"model": model, "version": version, "device": device, "windows": count, "rows": total}
        self._events.record(connection, "observe.windows", f"{model}/{version}", **facts)

    def _read(self, window: ProfileWindow) -> Profile:
        """The window's profile; raises HostileInput unless all of it makes sense."""
        lens, now = self._lenses.of(window.model, window.version), self._clock()
        if lens is None:
            raise HostileInput(f"there is no reference of {window.model} version {window.version}", field="version")
        if lens.schema.sha256 != window.schema_sha256:
            raise HostileInput(f"schema {window.schema_sha256[:12]} is not this version's", field="schema_sha256")
        if not 0 <= window.start <= window.end <= now + MAX_AHEAD_S:
            raise HostileInput(f"a window from {window.start} to {window.end}: what is that clock?", field="end")
        if window.end < now - MAX_BEHIND_S:
            raise HostileInput("a window of more than 400 days ago", field="end")
        if not 0 < len(window.id) <= 200:
            raise HostileInput(f"a window id has 1 to 200 characters, not {len(window.id)}", field="id")
        if not _agree(window.noised, window.epsilon_milli):
            told = f"{window.noised} windows with an epsilon of {window.epsilon_milli} thousandths"
            raise HostileInput(told, field="noised")
        if not _agree(window.folded, window.min_category_rows):
            told = f"{window.folded} windows whose categories have {window.min_category_rows} rows at least"
            raise HostileInput(told, field="folded")
        profile = Profile.from_bytes(lens.schema, window.payload, is_noisy=window.noised > 0)
        if profile.rows > MAX_WINDOW_ROWS:
            raise HostileInput(f"a window counts at most {MAX_WINDOW_ROWS} rows, this one {profile.rows}", field="rows")
        if profile.rows != window.rows:
            raise HostileInput(f"the window says {window.rows} rows, its profile {profile.rows}", field="rows")
        return profile

    def _refuse(self, connection: sa.Connection, device: str, window: ProfileWindow, error: HostileInput) -> None:
        facts = {"model": window.model[:100], "version": window.version, "id": window.id[:200]}
        reason = error.message[:MAX_REASON_CHARS]
        self._events.record(connection, "observe.window_refused", device, reason=reason, **facts)
        log.warning("observe.window_refused", device=device, reason=reason, **facts)


def _agree(windows: int, strength: int) -> bool:
    """Whether so many windows with privacy of such a strength make sense: both are 0, or neither."""
    return 0 <= windows < 2**31 and 0 <= strength <= MOST_OF_PRIVACY and (windows > 0) is (strength > 0)
