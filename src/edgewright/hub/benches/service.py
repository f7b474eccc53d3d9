"""The verbs of benches: start, cancel; what a device shall measure, and what it has measured."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract.api import (
    BenchDraft,
    BenchRecord,
    MeasurementRecord,
    MeasurementState,
    ReleaseRecord,
    ReleaseState,
)
from edgewright.contract.errors import NotFound
from edgewright.contract.order import Bench
from edgewright.contract.report import BenchReport, ModelState, Pace
from edgewright.hub.benches.model import Candidate, Part, after_report, check_draft, plan, without_nonsense
from edgewright.hub.benches.table import bench, measurement
from edgewright.hub.db import Database, after_commit
from edgewright.hub.events import Events
from edgewright.hub.fleet import Fleet
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.rollout.model import check_ready, parse_release
from edgewright.hub.rollout.packages import Packages, Ways
from edgewright.hub.rollout.planning import Offer

log = structlog.get_logger()

AT_ONCE = 4  # measurements in one order
MAX_FETCHES = 8  # of each
MAX_REASON_CHARS = 2000
MAX_WORD_CHARS = 100
KNOWN_S = 10.0  # after so long it is read anew who is asked: another process of this hub may have asked
OPEN = tuple(state for state in MeasurementState if state.is_open)
Row = sa.RowMapping


class Benches:
    """A device is asked once it has nothing to install, and until the bench expires."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        fleet: Fleet,
        packaging: Packages,
        ways: Ways,
        token_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._fleet = fleet
        self._packages = packaging
        self._ways = ways
        self._token_hex = token_hex
        self._asked: set[str] = set()
        self._known_until = float("-inf")
        self._lock = threading.Lock()
        events.watch(("bench.*",), lambda _event: self._unlearn())

    def start(self, principal: Principal, draft: BenchDraft, *, dry_run: bool = False) -> BenchRecord:
        """Have packages measured; a dry run shows by whom, and asks nobody.

        Raises InvalidInput, NotFound, ReleaseNotReady, ReleaseIsBad and NothingToMeasure.
        """
        check_draft(draft)
        candidates = [self._candidate(*name) for name in dict.fromkeys(map(parse_release, draft.releases))]
        now = self._clock()
        models = _models(candidates)
        devices = self._fleet.named(draft.devices, models) if draft.devices else self._fleet.facts("", models)
        parts, skipped = plan(draft, candidates, devices, now)
        with self._db.write() as connection:
            head = _head(connection, principal, draft, now) | {"skipped": skipped}
            head["releases"] = [candidate.release.id for candidate in candidates]
            rows = [_row(head, f"{head['id']}-{place}-{self._token_hex(4)}", part) for place, part in enumerate(parts)]
            if not dry_run:
                connection.execute(sa.insert(bench).values(head))
                connection.execute(sa.insert(measurement), rows)
                self._forget_asked(connection)
                self._tell(connection, principal.name, "bench.started", head["id"], releases=head["releases"])
        names = {part.device.id: part.device.name for part in parts}
        return _record(head, [_shown({**row, "device_name": names[row["device"]]}, now) for row in rows])

    def cancel(self, principal: Principal, id: str, *, dry_run: bool = False) -> BenchRecord:
        """Ask no further device; what has been measured stays. Raises NotFound."""
        record = self.bench(id)
        if dry_run or record.is_over:
            return record
        values = {"state": MeasurementState.CANCELLED, "reason": f"by {principal.name}", "updated_at": self._clock()}
        of = measurement.c
        with self._db.write() as connection:
            connection.execute(sa.update(measurement).where(of.bench == id, of.state.in_(OPEN)).values(values))
            self._forget_asked(connection)
            self._tell(connection, principal.name, "bench.cancelled", id)
        return self.bench(id)

    def benches(self) -> list[BenchRecord]:
        """Every bench, newest first."""
        return self._read(sa.select(bench).order_by(bench.c.number.desc()))

    def bench(self, id: str) -> BenchRecord:
        """The bench of that id; raises NotFound."""
        found = self._read(sa.select(bench).where(bench.c.id == id))
        if not found:
            raise NotFound(f"there is no bench '{id}'", field="bench", hint="`edgewright bench ls` lists them.")
        return found[0]

    def orders_for(self, device: str, states: tuple[ModelState, ...], pace: Pace) -> tuple[Bench, ...]:
        """What `device` shall measure; the same answer until something changes. Cheap where there is nothing."""
        if device not in self._asked_devices():
            return ()
        of, now = measurement.c, self._clock()
        query = sa.select(measurement).where(of.device == device, of.state.in_(OPEN), of.expires_at > now)
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(of.number).limit(AT_ONCE)).mappings().all()
        held = {state.model: frozenset(state.held_manifests) for state in states}
        ready = [row for row in rows if self._is_ready(row)]
        self._note_offered([row for row in ready if row["state"] == MeasurementState.PENDING], now)
        return tuple(self._order(row, held.get(row["model"], frozenset()), pace) for row in ready)

    def on_report(self, connection: sa.Connection, device: str, report: BenchReport) -> bool:
        """Take in what a device has measured, in the caller's transaction; False for what is known or not ours."""
        of = measurement.c
        row = connection.execute(sa.select(measurement).where(of.id == report.request)).mappings().first()
        if row is None or (row["device"], row["manifest_sha256"]) != (device, report.manifest_sha256):
            log.warning("bench.report_refused", device=device, request=report.request[:MAX_WORD_CHARS])
            return False
        state, reason = after_report(_state(row, self._clock()), report)
        if state == _state(row, self._clock()):
            return False
        values = {"state": state, "reason": reason[:MAX_REASON_CHARS], "updated_at": self._clock()}
        update = sa.update(measurement).where(of.number == row["number"])
        connection.execute(update.values(**values, report=_kept(report)))
        self._forget_asked(connection)
        self._events.record(connection, "bench.reported", row["bench"], device=device, outcome=report.outcome)
        return True

    def _candidate(self, model: str, counter: int) -> Candidate:
        release = self._packages.release(model, counter)
        check_ready(release)
        return Candidate(release, self._offers(release))

    def _offers(self, release: ReleaseRecord) -> list[Offer]:
        return [Offer(package, self._packages.manifest(package.manifest_sha256)) for package in release.packages]

    def _is_ready(self, row: Row) -> bool:
        return self._packages.release(row["model"], row["counter"]).state is ReleaseState.READY

    def _order(self, row: Row, held: frozenset[str], pace: Pace) -> Bench:
        fetches = self._ways.plan(row["manifest_sha256"], held, pace, MAX_FETCHES).fetches
        self._ways.note_used(fetches)
        return Bench(
            request=row["id"],
            model=row["model"],
            version=row["version"],
            counter=row["counter"],
            target_path=row["target_path"],
            manifest_sha256=row["manifest_sha256"],
            fetches=fetches,
            calls=row["calls"],
            expires_at=row["expires_at"],
        )

    def _note_offered(self, rows: Iterable[Row], now: float) -> None:
        numbers = [row["number"] for row in rows]
        if not numbers:
            return
        of = measurement.c
        query = sa.update(measurement).where(of.number.in_(numbers), of.state == MeasurementState.PENDING)
        with self._db.write() as connection:
            connection.execute(query.values(state=MeasurementState.OFFERED, updated_at=now))

    def _asked_devices(self) -> set[str]:
        """The devices with open measurements, read again whenever these change."""
        now, of = self._clock(), measurement.c
        with self._lock:
            if now >= self._known_until:
                query = sa.select(of.device).where(of.state.in_(OPEN), of.expires_at > now).distinct()
                with self._db.read() as connection:
                    self._asked = set(connection.scalars(query))
                self._known_until = now + KNOWN_S
            return self._asked

    def _forget_asked(self, connection: sa.Connection) -> None:
        after_commit(connection, self._unlearn)

    def _unlearn(self) -> None:
        with self._lock:
            self._known_until = float("-inf")

    def _read(self, query: sa.Select[Any]) -> list[BenchRecord]:
        now = self._clock()
        with self._db.read() as connection:
            heads = [dict(row) for row in connection.execute(query).mappings()]
            rows = {head["id"]: _measurements(connection, head["id"]) for head in heads}
        devices = {row["device"] for each in rows.values() for row in each}
        names = {one.id: one.name for one in self._fleet.named(devices)}
        return [_record(head, _all_shown(rows[head["id"]], names, now)) for head in heads]

    def _tell(self, connection: sa.Connection, actor: str, action: str, id: str, **detail: Any) -> None:
        self._audit.record(connection, actor, action, id, **detail)
        self._events.record(connection, action, id, **detail)


def _models(candidates: Sequence[Candidate]) -> set[str]:
    """What must be known of devices: these models, and those that their packages need."""
    offers = [offer for candidate in candidates for offer in candidate.offers]
    needed = {dependency.model for offer in offers for dependency in offer.manifest.dependencies}
    return needed | {candidate.release.model for candidate in candidates}


def _measurements(connection: sa.Connection, id: str) -> list[dict[str, Any]]:
    query = sa.select(measurement).where(measurement.c.bench == id).order_by(measurement.c.number)
    return [dict(row) for row in connection.execute(query).mappings()]


def _all_shown(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str], now: float) -> list[MeasurementRecord]:
    return [_shown({**row, "device_name": names.get(row["device"], row["device"])}, now) for row in rows]


def _state(row: Any, now: float) -> MeasurementState:
    """The state with time taken into account."""
    state = MeasurementState(row["state"])
    return MeasurementState.EXPIRED if state.is_open and now >= row["expires_at"] else state


def _shown(row: dict[str, Any], now: float) -> MeasurementRecord:
    state, told = _state(row, now), row["report"] or {}
    facts = {name: row[name] for name in ("id", "device", "device_name", "target", "variant_sha256", "reason")}
    facts |= {"release": f"{row['model']}/{row['counter']}", "state": state, "updated_at": row["updated_at"]}
    facts |= {name: told[name] for name in ("golden", "before", "after") if name in told}
    if state is MeasurementState.DONE:
        facts |= {name: told[name] for name in _FIGURES} | {"runtime": f"{told['runtime']} {told['runtime_version']}"}
    return msgspec.convert(facts, MeasurementRecord)


_FIGURES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "memory_bytes", "load_s", "calls", "provider")


def _record(head: dict[str, Any], measurements: list[MeasurementRecord]) -> BenchRecord:
    fields = {name: head[name] for name in BenchRecord.__struct_fields__ if name in head}
    return msgspec.convert({**fields, "measurements": measurements}, BenchRecord)


def _head(connection: sa.Connection, principal: Principal, draft: BenchDraft, now: float) -> dict[str, Any]:
    number = (connection.scalar(sa.select(sa.func.max(bench.c.number))) or 0) + 1
    return {
        "number": number,
        "id": f"bench-{number}",
        "calls": draft.calls,
        "created_at": now,
        "created_by": principal.name,
        "expires_at": now + draft.ttl_s,
    }


def _row(head: dict[str, Any], id: str, part: Part) -> dict[str, Any]:
    """A measurement. Devices remember its id: one that a hub forgot, set back to a backup, must not come again."""
    return {
        "id": id,
        "bench": head["id"],
        "device": part.device.id,
        "model": part.release.model,
        "version": part.release.version,
        "counter": part.release.counter,
        "target": part.offer.package.target,
        "target_path": part.offer.package.path,
        "manifest_sha256": part.offer.package.manifest_sha256,
        "variant_sha256": part.variant_sha256,
        "calls": head["calls"],
        "expires_at": head["expires_at"],
        "state": MeasurementState.PENDING,
        "reason": "",
        "updated_at": head["created_at"],
        "report": None,
    }


def _kept(report: BenchReport) -> Any:
    """The report as JSON, with texts of bounded length and without numbers that are none."""
    words = {name: getattr(report, name)[:MAX_WORD_CHARS] for name in ("id", "runtime", "runtime_version", "provider")}
    short = msgspec.structs.replace(without_nonsense(report), reason=report.reason[:MAX_REASON_CHARS], **words)
    return msgspec.json.decode(msgspec.json.encode(short))
