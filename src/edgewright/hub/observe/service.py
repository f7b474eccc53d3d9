"""Observation's verbs: take windows in, detect drift, show it, and close alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import sqlalchemy as sa
import structlog

from edgewright.contract.api import AlertRecord, DriftPoint, DriftStatus, UsageRecord
from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import Profile, Schema, decode_schema
from edgewright.contract.report import ProfileWindow, Sample
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import SYSTEM, Audit
from edgewright.hub.observe import behaviour, table
from edgewright.hub.observe.behaviour import answers_of
from edgewright.hub.observe.detectors import THRESHOLD, Baseline, Finding, Pane, drifting_devices
from edgewright.hub.observe.detectors.drift.multinomial import MultinomialDrift, State
from edgewright.hub.observe.model import (
    DETECTOR,
    alarmed_features,
    drifts,
    say,
    shares_of,
    split_into_panes,
)
from edgewright.hub.rollout.gates import Counted

WINDOWS_AT_ONCE = 2000
WINDOWS_TO_NAME_DEVICES = 500
SERIES_POINTS = 200
POINTS_KEPT = 2000
MAX_WINDOW_ROWS = 2**31
MAX_AHEAD_S = 86400.0
"""How far a device's clock may run ahead of ours before its windows are refused."""
MAX_REASON_CHARS = 300
SchemaOf = Callable[[str, int], bytes | None]
"""The profile schema of a model's version, or None if there is no such version."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Lens:
    """Through which the windows of one model version are read."""

    model: str
    version: int
    schema: Schema
    baseline: Baseline


class Observe:
    """Keeps every window that devices send, once, and watches each model version for drift."""

    def __init__(
        self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], schema_of: SchemaOf
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._schema_of = schema_of
        self._lenses: dict[tuple[str, int], Lens] = {}
        self._detector = MultinomialDrift()

    def ingest(self, connection: sa.Connection, device: str, windows: Sequence[ProfileWindow]) -> list[str]:
        """Store the windows of `device` and return all their ids: it may forget them.

        A window that is known already changes nothing. One that cannot be read is refused with an event, and
        acknowledged all the same, or it would come again for ever.
        """
        known = table.known_ids(connection, device, [window.id for window in windows])
        rows_of: dict[tuple[str, int], list[int]] = {}
        for window in windows:
            if window.id in known:
                continue
            known.add(window.id)
            try:
                profile = self._read(window)
            except HostileInput as error:
                self._refuse(connection, device, window, error)
                continue
            self._store(connection, device, window)
            behaviour.add(connection, device, window.model, window.version, window.end, answers_of(profile))
            rows_of.setdefault((window.model, window.version), []).append(window.rows)
        for (model, version), rows in rows_of.items():
            facts = {"model": model, "version": version, "device": device, "windows": len(rows), "rows": sum(rows)}
            self._events.record(connection, "observe.windows", f"{model}/{version}", **facts)
        return [window.id for window in windows]

    def detect(self, model: str, version: int) -> AlertRecord | None:
        """Show the detector all windows that wait. Returns the alert if this raised one.

        At most one alert of a model version is open; while it is, new evidence is added to its explanation.
        """
        lens = self._lens(model, version)
        raised = None
        while lens is not None:
            with self._db.write() as connection:
                alert, is_more = self._detect(connection, lens)
            raised = raised or alert
            if not is_more:
                break
        return raised

    def status(self, model: str = "") -> list[DriftStatus]:
        """Where each model version stands that devices have reported on."""
        with self._db.read() as connection:
            usage = self._usage(connection, model)
            keys = sorted({(record.model, record.version) for record in usage})
            found = [self._status(connection, self._lens(*key), usage) for key in keys]
        return [status for status in found if status is not None]

    def alerts(self, model: str = "") -> list[AlertRecord]:
        """All alerts, the newest first."""
        with self._db.read() as connection:
            return msgspec.convert(table.alerts(connection, model), list[AlertRecord])

    def served(
        self,
        connection: sa.Connection,
        model: str,
        devices: Sequence[str],
        since: float,
        until: float,
        *,
        version: int = 0,
        not_version: int = 0,
    ) -> Mapping[str, Counted]:
        """What each device answered in that span, by one version or by all but one."""
        return behaviour.served(connection, model, devices, since, until, version=version, not_version=not_version)

    def drift(self, connection: sa.Connection, model: str, version: int) -> float | None:
        """How far a version's data are from its training data: the largest effect of a feature that alarms, 0.0 where
        none does; None before anything was seen.
        """
        lens = self._lens(model, version)
        data, _ = table.load_state(connection, model, version)
        if lens is None or not data:
            return None
        finding = self._judge(self._state(data, lens), lens)
        return max((change.effect for change in finding.alarmed), default=0.0)

    def predicted(self, sample: Sample) -> int | None:
        """Which class the version that answered chose for a sample; None where that cannot be said."""
        lens = self._lens(sample.model, sample.version) if 0 < sample.version < 2**31 else None
        return None if lens is None else behaviour.predicted(lens.schema.contract, sample)

    def usage(self, model: str = "") -> list[UsageRecord]:
        """What each device's profiles add up to, by version."""
        with self._db.read() as connection:
            return self._usage(connection, model)

    def resolve(self, connection: sa.Connection, model: str) -> list[str]:
        """Close the model's open alerts and start its detectors afresh; returns the alerts' ids.

        Windows that ended before now and come later count as usage, and raise nothing.
        """
        is_open = sa.and_(table.alert.c.model == model, table.alert.c.state == "open")
        ids = list(connection.scalars(sa.select(table.alert.c.id).where(is_open)))
        connection.execute(sa.update(table.alert).where(is_open).values(state="resolved"))
        table.reset_states(connection, model, self._clock())
        for id in ids:
            self._events.record(connection, "observe.alert_resolved", id, model=model)
            self._audit.record(connection, SYSTEM.name, "alert.resolve", id, model=model)
        return ids

    def _read(self, window: ProfileWindow) -> Profile:
        """The window's profile; raises HostileInput unless all of it makes sense."""
        lens = self._lens(window.model, window.version) if 0 < window.version < 2**31 else None
        if lens is None:
            raise HostileInput(f"there is no reference of {window.model} version {window.version}", field="version")
        if lens.schema.sha256 != window.schema_sha256:
            raise HostileInput(f"schema {window.schema_sha256[:12]} is not this version's", field="schema_sha256")
        if not 0 <= window.start <= window.end <= self._clock() + MAX_AHEAD_S:
            raise HostileInput(f"a window from {window.start} to {window.end}: what is that clock?", field="end")
        if not 0 < len(window.id) <= 200:
            raise HostileInput(f"a window id has 1 to 200 characters, not {len(window.id)}", field="id")
        profile = Profile.from_bytes(lens.schema, window.payload)
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

    def _store(self, connection: sa.Connection, device: str, window: ProfileWindow) -> None:
        fields = {name: getattr(window, name) for name in ProfileWindow.__struct_fields__ if name != "counter"}
        row = {**fields, "device": device, "arrived_at": self._clock(), "is_waiting": True}
        connection.execute(sa.insert(table.window).values(row))

    def _lens(self, model: str, version: int) -> Lens | None:
        lens = self._lenses.get((model, version))
        if lens is None:
            data = self._schema_of(model, version)
            if data is None:
                return None
            schema = decode_schema(data)
            lens = self._lenses[model, version] = Lens(model, version, schema, Baseline(schema))
        return lens

    def _state(self, data: bytes, lens: Lens) -> State:
        """The saved state; a fresh one where it was saved by another release."""
        try:
            return self._detector.decode(data, lens.baseline)
        except HostileInput:
            return self._detector.fresh(lens.baseline)

    def _judge(self, state: State, lens: Lens) -> Finding:
        return self._detector.judge(state, lens.baseline)

    def _detect(self, connection: sa.Connection, lens: Lens) -> tuple[AlertRecord | None, bool]:
        """One batch of waiting windows: the alert it raised, and whether more windows wait.

        They are seen in the order of time: a device that was away sends the newest first.
        """
        windows = table.waiting(connection, lens.model, lens.version, WINDOWS_AT_ONCE)
        data, quiet_until = table.load_state(connection, lens.model, lens.version)
        fresh = sorted((one for one in windows if one["end"] > quiet_until), key=lambda one: one["end"])
        table.mark_seen(connection, (window["number"] for window in windows if window["end"] <= quiet_until))
        state = self._state(data, lens)
        shares = shares_of([window["end"] - window["start"] for window in fresh])
        panes = split_into_panes([window["rows"] * share for window, share in zip(fresh, shares, strict=True)])
        for pane in panes:
            state = self._see(connection, lens, state, fresh[pane], shares[pane])
        is_more = len(windows) == WINDOWS_AT_ONCE and (bool(panes) or len(fresh) < len(windows))
        if not panes:
            return None, is_more
        table.save_state(connection, lens.model, lens.version, self._detector.encode(state))
        table.prune_points(connection, lens.model, lens.version, POINTS_KEPT)
        return self._announce(connection, lens, self._judge(state, lens)), is_more

    def _see(
        self,
        connection: sa.Connection,
        lens: Lens,
        state: State,
        pane: Sequence[sa.RowMapping],
        shares: Sequence[float],
    ) -> State:
        """Take one pane's windows in; the detector sees only a share of each wide one."""
        seen, counts, rows = Profile(lens.schema), np.zeros(lens.schema.offsets[-1]), 0.0
        for window, share in zip(pane, shares, strict=True):
            profile = Profile.from_bytes(lens.schema, window["payload"])
            seen.merge(profile)
            counts += profile.counts * share
            rows += profile.rows * share
        start = float(np.median([window["start"] for window in pane]))
        at = float(np.median([window["end"] for window in pane]))
        state = self._detector.step(state, lens.baseline, Pane(start, at, rows, counts))
        effects = {change.feature: round(change.effect, 4) for change in self._judge(state, lens).changes}
        row = {"model": lens.model, "version": lens.version, "at": at, "rows": seen.rows, "effects": effects}
        connection.execute(sa.insert(table.point).values(row))
        table.mark_seen(connection, (window["number"] for window in pane))
        return state

    def _announce(self, connection: sa.Connection, lens: Lens, finding: Finding) -> AlertRecord | None:
        """Raise an alert, or bring the open one up to date. Returns a new one only."""
        if not finding.is_alarm:
            return None
        old = table.open_alert(connection, lens.model, lens.version)
        if old is not None:
            self._update_alert(connection, lens, finding, msgspec.convert(old, AlertRecord))
            return None
        alert = self._describe(connection, lens, finding)
        row = {"id": alert.id, "model": lens.model, "version": lens.version, "state": "open"}
        row |= {"raised_at": alert.raised_at, "record": msgspec.to_builtins(alert)}
        connection.execute(sa.insert(table.alert).values(row))
        facts = {"alert": alert.id, "model": lens.model, "version": lens.version}
        self._events.record(connection, "observe.alert", alert.id, **facts)
        self._audit.record(connection, SYSTEM.name, "alert.raise", alert.id, message=alert.message)
        return alert

    def _describe(self, connection: sa.Connection, lens: Lens, finding: Finding) -> AlertRecord:
        mine = sa.and_(table.alert.c.model == lens.model, table.alert.c.version == lens.version)
        count = connection.scalar(sa.select(sa.func.count()).select_from(table.alert).where(mine)) or 0
        devices = self._devices(connection, lens, finding, finding.since)
        features = alarmed_features(finding)
        return AlertRecord(
            id=f"{lens.model}-{lens.version}-drift-{count + 1}",
            model=lens.model,
            version=lens.version,
            detector=DETECTOR,
            since=finding.since,
            raised_at=self._clock(),
            rows=finding.rows,
            features=features,
            devices=devices,
            compared_with=f"the training data of version {lens.version} ({lens.schema.n_ref} rows)",
            message=say(lens.model, lens.version, finding.since, features, devices),
        )

    def _update_alert(self, connection: sa.Connection, lens: Lens, finding: Finding, old: AlertRecord) -> None:
        """Add devices and features that have shown since; when it began and how many rows it took stay."""
        devices = tuple(sorted({*old.devices, *self._devices(connection, lens, finding, old.since)}))
        now = {feature.feature: feature for feature in alarmed_features(finding)}
        features = {feature.feature: feature for feature in old.features} | now
        message = say(lens.model, lens.version, old.since, tuple(features.values()), devices)
        record = msgspec.structs.replace(old, devices=devices, features=tuple(features.values()), message=message)
        query = sa.update(table.alert).where(table.alert.c.id == old.id)
        connection.execute(query.values(record=msgspec.to_builtins(record)))

    def _devices(self, connection: sa.Connection, lens: Lens, finding: Finding, since: float) -> tuple[str, ...]:
        """Which devices drift, by their own newest windows."""
        counts: dict[str, np.ndarray] = {}
        for window in table.latest(connection, lens.model, lens.version, since, WINDOWS_TO_NAME_DEVICES):
            own = Profile.from_bytes(lens.schema, window["payload"]).counts
            counts[window["device"]] = counts.get(window["device"], 0.0) + own
        return drifting_devices(lens.baseline, [change.feature for change in finding.alarmed], counts)

    def _usage(self, connection: sa.Connection, model: str) -> list[UsageRecord]:
        return [UsageRecord(**{str(k): v for k, v in row.items()}) for row in table.usage(connection, model)]

    def _status(self, connection: sa.Connection, lens: Lens | None, usage: list[UsageRecord]) -> DriftStatus | None:
        if lens is None:
            return None
        mine = [record for record in usage if (record.model, record.version) == (lens.model, lens.version)]
        data, _ = table.load_state(connection, lens.model, lens.version)
        finding = self._judge(self._state(data, lens), lens)
        alerts = msgspec.convert(table.alerts(connection, lens.model), list[AlertRecord])
        alerts = [alert for alert in alerts if alert.version == lens.version]
        points = table.series(connection, lens.model, lens.version, SERIES_POINTS)
        return DriftStatus(
            model=lens.model,
            version=lens.version,
            is_drifting=finding.is_alarm or any(alert.state == "open" for alert in alerts),
            rows=sum(record.rows for record in mine),
            windows=sum(record.windows for record in mine),
            devices=len(mine),
            evidence=finding.evidence,
            threshold=THRESHOLD,
            features=drifts(finding.changes),
            series=tuple(DriftPoint(at=row["at"], rows=row["rows"], effects=row["effects"]) for row in points),
            alerts=tuple(alerts),
        )
