"""The verbs of routes: set, list, remove, try out; and the run that tells, and tries again until it has."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract import webhook
from edgewright.contract.api import AlertKind, AlertLevel, AlertRecord, RouteDraft, RouteKind, RouteRecord, RouteTest
from edgewright.contract.errors import InvalidInput
from edgewright.hub.db import Database, after_commit
from edgewright.hub.events import Event
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.jobs import ENDED, Jobs, RunContext, run_table
from edgewright.hub.observe.alerts import Alerts, UnknownAlert, Wanted
from edgewright.hub.observe.alerts.table import AWAKE
from edgewright.hub.observe.routes import table
from edgewright.hub.observe.routes.model import (
    GIVE_UP_S,
    MAX_ROUTES,
    MAX_WAITING,
    MOST_WAIT_S,
    News,
    NotTold,
    Telling,
    UnknownRoute,
    bare,
    check,
    hears,
    passes,
    passing,
    wait_s,
)
from edgewright.hub.observe.routes.sealing import SecretLost, seal, unseal
from edgewright.hub.observe.routes.senders import send

RUN = "notify"
NEWS = {  # event: why it is told
    "observe.alert": News.RAISED,
    "observe.alert_worse": News.WORSE,
    "observe.alert_snoozed": News.SNOOZED,
    "observe.alert_woken": News.WOKEN,
    "observe.alert_resolved": News.RESOLVED,
}
DONE = -1.0

log = structlog.get_logger()


class Routes:
    """Where alerts are told. What waits to be told outlives the hub; each route keeps its order, and at least once is
    promised: a receiver knows a repetition by its id.
    """

    def __init__(
        self, db: Database, audit: Audit, clock: Callable[[], float], jobs: Jobs, alerts: Alerts, key: bytes
    ) -> None:
        """`key` (32 bytes) seals secrets."""
        self._db = db
        self._audit = audit
        self._clock = clock
        self._jobs = jobs
        self._alerts = alerts
        self._key = key
        jobs.define(RUN, self._body, is_heavy=False)

    def put(self, principal: Principal, draft: RouteDraft, *, dry_run: bool = False) -> RouteRecord:
        """Set a route; one of that name is replaced, and keeps its secret where none is given. Raises InvalidInput.

        A webhook without a secret gets one: `new_secret` of the reply is the only time that it is shown.
        """
        check(draft)
        with self._db.write() as connection:
            old = table.of_name(connection, draft.name)
            if old is None and len(table.routes(connection)) >= MAX_ROUTES:
                raise InvalidInput(f"a hub has at most {MAX_ROUTES} routes", field="name")
            kept = old["secret"] if old and not draft.secret and _is_same_place(old["draft"], draft) else b""
            new = _made_secret() if draft.kind is RouteKind.WEBHOOK and not draft.secret and not kept else ""
            if not dry_run:
                sealed = kept or seal(self._key, draft.name, draft.secret or new)
                self._store(connection, principal, draft, sealed, is_new=old is None)
            record = _record(table.of_name(connection, draft.name), draft)
        return msgspec.structs.replace(record, new_secret="" if dry_run else new)

    def list(self) -> tuple[RouteRecord, ...]:
        """All routes by name, without their secrets."""
        with self._db.read() as connection:
            return tuple(_record(row) for row in table.routes(connection))

    def remove(self, principal: Principal, name: str, *, dry_run: bool = False) -> RouteRecord:
        """Forget a route, and what it still had to tell; raises UnknownRoute."""
        with self._db.write() as connection:
            record = _record(_row(connection, name))
            if not dry_run:
                table.remove(connection, name)
                self._audit.record(connection, principal.name, "route.remove", name)
        return record

    def test(self, principal: Principal, name: str) -> RouteTest:
        """Tell an alert that is none, at once and once; raises UnknownRoute."""
        with self._db.write() as connection:
            row = _row(connection, name)
            self._audit.record(connection, principal.name, "route.test", name)
        now, began = self._clock(), time.monotonic()
        telling = Telling(id=f"{name}-test-{int(now)}", news=News.TEST, alerts=(_example(now),), at=now)
        problem = self._try(row, telling, now)
        return RouteTest(route=name, took_s=round(time.monotonic() - began, 3), problem=problem)

    def on_news(self, event: Event) -> None:
        """Have every route tell that lets the alert pass."""
        with self._db.write() as connection:
            try:
                alert = self._alerts.find(connection, event.data["alert"])
            except UnknownAlert:
                return
            news = NEWS[event.kind]
            for row in table.routes(connection):
                if hears(_draft(row), news) and passes(_draft(row), alert):
                    self._queue(connection, row, event.number, news, alert.id)

    def remind(self) -> None:
        """Tell Alertmanagers again of what is awake: they forget. To be called a few times an hour."""
        with self._db.read() as connection:
            rows = [row for row in table.routes(connection) if _draft(row).kind is RouteKind.ALERTMANAGER]
            awake = self._alerts.read(connection, Wanted(states=AWAKE, limit=1)) if rows else []
        if not awake:
            return
        with self._db.write() as connection:
            for row in rows:
                if not row["waiting"]:
                    self._queue(connection, row, -int(self._clock()), News.STILL, "")

    def _queue(self, connection: sa.Connection, row: sa.RowMapping, event: int, news: News, alert: str) -> None:
        name = row["name"]
        if not table.queue(connection, name, event, news, alert, self._clock(), MAX_WAITING):
            return
        state = connection.scalar(sa.select(run_table.c.state).where(run_table.c.id == row["run"]))
        if row["run"] and state is not None and state not in ENDED:
            after_commit(connection, lambda: self._jobs.wake(row["run"]))
            return
        run_id = self._jobs.start(connection, RUN, name, {"route": name}, why=f"{news} {alert}".strip())
        table.change(connection, name, run=run_id)

    def _body(self, context: RunContext) -> dict[str, Any]:
        """Tell what waits, in order, and end when there is nothing more."""
        while True:
            rest_s = float(context.step("tell", self._tell, context.args["route"]))
            if rest_s == DONE:
                return {}
            if rest_s > 0:
                context.wait(rest_s)

    def _tell(self, name: str) -> float:
        """Try what is next; returns how long to wait until the next try, or DONE.

        Whether there is more is asked where the run's place is given up, so that nothing is queued in between.
        """
        now = self._clock()
        with self._db.write() as connection:
            row, next_ = table.of_name(connection, name), table.first(connection, name)
            if row is None or next_ is None:
                table.change(connection, name, run="")
                return DONE
            if next_["next_at"] > now:
                return float(min(next_["next_at"] - now, MOST_WAIT_S))
            try:
                telling = self._telling(connection, row, next_)
            except UnknownAlert:
                table.drop(connection, next_["number"])
                return 0.0
        problem = self._try(row, telling, now)
        with self._db.write() as connection:
            return self._note(connection, name, next_, problem, now)

    def _note(self, connection: sa.Connection, name: str, next_: sa.RowMapping, problem: str, now: float) -> float:
        of = table.route.c
        if not problem:
            table.drop(connection, next_["number"])
            table.change(connection, name, told=of.told + 1, last_told_at=now, problem="")
            return 0.0
        log.warning("alerts.not_told", route=name, problem=problem, tries=next_["tries"] + 1)
        table.change(connection, name, problem=problem)
        if now - next_["at"] > GIVE_UP_S or next_["news"] == News.STILL:
            table.drop(connection, next_["number"])
            table.change(connection, name, given_up=of.given_up + 1)
            return 0.0
        rest_s = wait_s(next_["tries"] + 1)
        table.put_off(connection, next_["number"], now + rest_s)
        return rest_s

    def _telling(self, connection: sa.Connection, row: sa.RowMapping, next_: sa.RowMapping) -> Telling:
        if next_["news"] == News.STILL:
            awake = self._alerts.read(connection, Wanted(states=AWAKE, limit=1000))
            alerts = passing(_draft(row), awake)
        else:
            alerts = (self._alerts.find(connection, next_["alert"]),)
        id = f"{row['name']}-{next_['number']}-{next_['news']}"
        return Telling(id=id, news=News(next_["news"]), alerts=alerts, at=next_["at"])

    def _try(self, row: sa.RowMapping, telling: Telling, now: float) -> str:
        """What went wrong, or ''."""
        try:
            send(_draft(row), unseal(self._key, row["name"], row["secret"]), telling, now)
        except (NotTold, SecretLost) as error:
            return str(error)[:300]
        return ""

    def _store(
        self, connection: sa.Connection, principal: Principal, draft: RouteDraft, sealed: bytes, *, is_new: bool
    ) -> None:
        values = {"draft": msgspec.to_builtins(bare(draft)), "secret": sealed, "problem": ""}
        if is_new:
            row = {"name": draft.name, "created_at": self._clock(), "created_by": principal.name}
            connection.execute(sa.insert(table.route).values(**row, **values))
        else:
            table.change(connection, draft.name, **values)
        facts = {"kind": draft.kind, "url": draft.url, "to": list(draft.to), "has_secret": bool(sealed)}
        self._audit.record(connection, principal.name, "route.set", draft.name, **facts)


def _is_same_place(old: dict[str, Any], draft: RouteDraft) -> bool:
    """A secret stays only where it goes to the same receiver: else whoever changes an address would learn it."""
    before = msgspec.convert(old, RouteDraft)
    return (before.kind, before.url, before.mail) == (draft.kind, draft.url, draft.mail)


def _made_secret() -> str:
    return webhook.secret_of(secrets.token_bytes(webhook.MADE_BYTES))


def _row(connection: sa.Connection, name: str) -> sa.RowMapping:
    row = table.of_name(connection, name)
    if row is None:
        raise UnknownRoute(f"there is no route '{name[:63]}'", field="route")
    return row


def _draft(row: sa.RowMapping) -> RouteDraft:
    return msgspec.convert(row["draft"], RouteDraft)


def _record(row: sa.RowMapping | None, draft: RouteDraft | None = None) -> RouteRecord:
    """The route as people see it; of a dry run's `draft` where it is not there yet."""
    shown = bare(draft) if draft else _draft(row) if row else None
    if shown is None:
        raise UnknownRoute("there is no such route", field="route")
    facts = {name: getattr(shown, name) for name in RouteDraft.__struct_fields__ if name != "secret"}
    if row is None:
        return RouteRecord(**facts)
    own = {name: row[name] for name in ("created_at", "created_by", "told", "given_up", "last_told_at", "problem")}
    return RouteRecord(**facts, **own, has_secret=bool(row["secret"]), waiting=row.get("waiting", 0))


def _example(now: float) -> AlertRecord:
    return AlertRecord(
        id="test",
        model="example",
        version=1,
        kind=AlertKind.DATA_DRIFT,
        level=AlertLevel.VERSION,
        detector="none",
        since=now,
        raised_at=now,
        rows=0,
        features=(),
        devices=(),
        compared_with="nothing: somebody tries this route out",
        message="This is a test: nothing is wrong.",
    )
