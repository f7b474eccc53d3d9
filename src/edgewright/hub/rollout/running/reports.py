"""What devices answer: how their installs ended, taken in once each, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract.report import InstallReport, Outcome
from edgewright.hub.events import Events
from edgewright.hub.rollout import table
from edgewright.hub.rollout.model import BROKEN, OPEN, UNENDED, DeploymentState, after_report
from edgewright.hub.rollout.running import ledger

log = structlog.get_logger()

MAX_REASON_CHARS = 2000
MAX_STEP_CHARS = 40
MAX_ID_CHARS = 200
MAX_COUNT = 2**31 - 1
MAX_BYTES = 2**50
FEW = 20
"""With so few left to answer, each answer wakes the wave; before, only a failure does: the wave must wait anyway."""
Row = sa.Row[Any]
Wake = Callable[[sa.Connection, str], None]
"""Lets the run of a rollout's wave look again once a transaction has committed."""
_OF = table.deployment.c


class Reports:
    """Turns reports into states of deployments."""

    def __init__(self, events: Events, clock: Callable[[], float], wake: Wake) -> None:
        self._events = events
        self._clock = clock
        self._wake = wake

    def on_report(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        """Take in how an install ended; False for what is known already or not ours."""
        of = _OF.id == _plain(report.deployment, MAX_ID_CHARS)
        row = connection.execute(sa.select(table.deployment).where(of)).first()
        if row is None or (row.device, row.model, row.counter) != (device, report.model, report.counter):
            log.warning("rollout.report_refused", device=device, deployment=report.deployment[:MAX_ID_CHARS])
            return False
        has_id = 0 < len(report.id) <= MAX_ID_CHARS and "\0" not in report.id
        if not has_id or not self._is_first(connection, device, report):
            return False
        state = self._take(connection, row, report)
        facts = {"device": device, "model": row.model, "counter": row.counter, "outcome": report.outcome}
        self._events.record(connection, "rollout.reported", row.id, **facts)
        if state in BROKEN or _left(connection, row) <= FEW:
            self._wake(connection, row.rollout)
        return True

    def _take(self, connection: sa.Connection, row: Row, report: InstallReport) -> DeploymentState:
        now, old = self._clock(), DeploymentState(row.state)
        state, measured = after_report(old, report.outcome), _measured(report)
        same = _OF.number == row.number
        if state is old:
            connection.execute(sa.update(table.deployment).where(same).values(measured | {"updated_at": now}))
            ledger.let_go(connection, same, now)
        else:
            measured["reason"] = _plain(report.reason, MAX_REASON_CHARS)
            ledger.move(connection, same, (old,), state, now, **measured)
        add_bytes(connection, row, measured)
        if state is DeploymentState.COMMITTED:
            _supersede(connection, row, now)
        return state

    def _is_first(self, connection: sa.Connection, device: str, report: InstallReport) -> bool:
        reports = table.install_report
        known = sa.select(reports.c.id).where(reports.c.device == device, reports.c.id == report.id)
        if connection.scalar(known) is not None:
            return False
        row = {"device": device, "id": report.id, "deployment": report.deployment, "received_at": self._clock()}
        connection.execute(sa.insert(reports).values(**row, body=_kept(report)))
        return True


def add_bytes(connection: sa.Connection, row: Row, values: dict[str, Any]) -> None:
    """Let the wave's bytes follow those of one deployment, of which `row` is what was there before `values`."""
    after = {name: values.get(name, getattr(row, name)) for name in ("planned_bytes", "received_bytes", "full_bytes")}
    was_begun = row.offered_at is not None
    sent = (after["received_bytes"] or after["planned_bytes"]) - (row.received_bytes or row.planned_bytes)
    full = after["full_bytes"] - (row.full_bytes if was_begun else 0)
    if sent or full:
        of = table.wave.c
        where = sa.and_(of.rollout == row.rollout, of.number == row.wave)
        change = sa.update(table.wave).where(where)
        connection.execute(change.values(sent_bytes=of.sent_bytes + sent, full_bytes=of.full_bytes + full))


def _left(connection: sa.Connection, row: Row) -> int:
    counts = ledger.tally(connection, row.rollout, row.wave)
    return sum(of_wave[state] for of_wave in counts.values() for state in OPEN)


def _kept(report: InstallReport) -> Any:
    """The report as JSON (numbers that are none become null), with texts of bounded length."""
    short = {"step": _plain(report.step, MAX_STEP_CHARS), "reason": _plain(report.reason, MAX_REASON_CHARS)}
    return msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(report, **short)))


def _measured(report: InstallReport) -> dict[str, Any]:
    """What a deployment shows of a report; a device may say what it likes, so numbers are kept in their range."""
    values: dict[str, Any] = {"interruptions": _within(report.interruptions, MAX_COUNT)}
    if report.shadow is not None:
        values["agreement"] = report.shadow.agreement if 0 <= report.shadow.agreement <= 1 else None
    if report.outcome is Outcome.COMMITTED or report.full_bytes:
        values |= {"received_bytes": _within(report.received_bytes, MAX_BYTES)}
        values |= {"full_bytes": _within(report.full_bytes, MAX_BYTES)}
        values["used_delta"] = report.used_delta
    return values


def _plain(text: str, most: int) -> str:
    """What of a device's text is kept: PostgreSQL takes no NUL."""
    return text.replace("\0", "")[:most]


def _within(number: int, most: int) -> int:
    return min(max(number, 0), most)


def _supersede(connection: sa.Connection, row: Row, now: float) -> None:
    """Take back what the device has skipped by installing a newer release."""
    older = sa.and_(_OF.device == row.device, _OF.model == row.model, _OF.counter < row.counter)
    if connection.scalar(sa.select(_OF.number).where(older, _OF.state.in_(UNENDED)).limit(1)) is None:
        return
    reason = f"superseded by release {row.model}/{row.counter}"
    ledger.move(connection, older, UNENDED, DeploymentState.WITHDRAWN, now, reason=reason)
    ledger.let_go(connection, older, now)
