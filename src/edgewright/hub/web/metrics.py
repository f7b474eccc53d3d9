"""What Prometheus asks for at /metrics: figures of the whole hub, few enough for any fleet, gathered seldom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edgewright import __version__
from edgewright.contract.api import AlertKind, DeviceState, RolloutState, Severity
from edgewright.contract.errors import NotFound
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.jobs import ENDED, run_table
from edgewright.hub.observe.alerts import table as alert_table
from edgewright.hub.observe.windows import table as window_table
from edgewright.hub.web.arguments import TheHub
from edgewright.hub.web.devices import DEFAULT_POLL_S, DeviceDoors
from edgewright.hub.web.principals import of_bearer
from edgewright.hub.web.views import away_after_s

KEPT_S = 10.0
"""Whoever asks more often gets the same answer."""
MOST_MODELS = 50
OTHERS = "others"


class Figures(Collector):
    """Gathers a hub's figures: a handful of counts in SQL, and numbers that this process holds."""

    def __init__(self, hub: Hub, doors: DeviceDoors, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._doors = doors
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, bytes] = (float("-inf"), b"")
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        with self._lock:
            at, text = self._kept
            if self._monotonic() - at >= KEPT_S:
                text = generate_latest(self._registry)
                self._kept = (self._monotonic(), text)
            return text

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's."""
        hub = self._hub
        yield _gauge("edgewright_build_info", "The hub's version", ["version"], [((__version__,), 1)])
        yield from self._fleet()
        yield _counter(
            "edgewright_check_ins",
            "Check-ins that this process answered, from memory or from the database",
            ["source"],
            [((source,), count) for source, count in self._doors.check_ins.items()],
        )
        yield _gauge("edgewright_rollouts", "Rollouts by state", ["state"], _every(RolloutState, hub.rollouts.counts()))
        yield from self._observation()
        yield from self._queues()

    def describe(self) -> Iterable[Metric]:
        """Nothing is gathered for a registration."""
        return []

    def _fleet(self) -> Iterator[Metric]:
        away_s = away_after_s(self._hub.settings.poll_s or DEFAULT_POLL_S)
        counts, _ = self._hub.fleet.roll_call(self._hub.clock(), away_s, 0)
        yield _gauge("edgewright_devices", "Devices by state", ["state"], _every(DeviceState, counts.states))
        yield _gauge("edgewright_devices_away", "Active devices that are silent", [], [((), counts.away)])
        running: dict[tuple[str, ...], float] = {}
        for one in sorted(counts.running, key=lambda one: -one.devices):
            key = (one.model, str(one.version)) if len(running) < MOST_MODELS else (OTHERS, "")
            running[key] = running.get(key, 0) + one.devices
        yield _gauge("edgewright_devices_running", "Devices that run a version", ["model", "version"], running.items())

    def _observation(self) -> Iterator[Metric]:
        with self._hub.db.read() as connection:
            live = {(kind, severity): count for kind, severity, count in alert_table.counts(connection)}
            totals = window_table.by_model(connection)
            waiting = window_table.count_waiting(connection)
        everything = [((kind, severity), live.get((kind, severity), 0)) for kind in AlertKind for severity in Severity]
        labels = ["kind", "severity"]
        yield _gauge("edgewright_alerts", "Alerts that are not resolved", labels, everything)
        ranked = sorted(totals.items(), key=lambda one: -one[1][0])
        windows, rows = _by_model(ranked, 0), _by_model(ranked, 1)
        yield _counter("edgewright_windows", "Windows that devices have sent", ["model"], windows)
        yield _counter("edgewright_rows", "Requests that those windows count", ["model"], rows)
        yield _gauge("edgewright_windows_waiting", "Windows that no detector has seen yet", [], [((), waiting)])

    def _queues(self) -> Iterator[Metric]:
        of = run_table.c
        with self._hub.db.read() as connection:
            query = sa.select(of.kind, of.state, sa.func.count()).where(of.state.not_in(ENDED))
            runs = [((kind, state), n) for kind, state, n in connection.execute(query.group_by(of.kind, of.state))]
        yield _gauge("edgewright_runs", "Runs that have not ended", ["kind", "state"], runs)
        routes = [((one.name,), one.waiting) for one in self._hub.routes.list()]
        yield _gauge("edgewright_alert_tellings_waiting", "Alerts that a route still has to tell", ["route"], routes)
        help_ = "Which part of its places is taken, from 0 to 1"
        shares = [(("commits",), self._hub.commits.share), (("requests",), self._doors.share)]
        yield _gauge("edgewright_queue_share", help_, ["queue"], shares)


@get("/metrics", sync_to_thread=True, opt={"is_public": True}, include_in_schema=False)
def metrics(hub: TheHub, figures: NamedDependency[Figures], request: Request[Any, Any, Any]) -> Response[bytes]:
    """The hub's figures for Prometheus; who may read them is a setting."""
    match hub.settings.metrics:
        case "off":
            raise NotFound("this hub tells no metrics", field="path", hint="EDGEWRIGHT_HUB_METRICS=token")
        case "token":
            require(of_bearer(hub, request), Permission.READ)
    return Response(figures.text(), media_type=CONTENT_TYPE_LATEST)


Sampled = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, help_: str, labels: Sequence[str], values: Sampled) -> Metric:
    return _filled(GaugeMetricFamily(name, help_, labels=labels), values)


def _counter(name: str, help_: str, labels: Sequence[str], values: Sampled) -> Metric:
    return _filled(CounterMetricFamily(name, help_, labels=labels), values)


def _filled(metric: GaugeMetricFamily | CounterMetricFamily, values: Sampled) -> Metric:
    for labels, value in values:
        metric.add_metric([str(label) for label in labels], float(value))
    return metric


def _every(states: Iterable[str], counts: Mapping[str, int]) -> list[tuple[tuple[str, ...], float]]:
    """Every state, also those that nothing is in: a series that comes and goes cannot be alerted on."""
    return [((str(state),), counts.get(state, 0)) for state in states]


def _by_model(ranked: Sequence[tuple[str, tuple[int, int]]], place: int) -> list[tuple[tuple[str, ...], float]]:
    found: list[tuple[tuple[str, ...], float]] = [((model,), totals[place]) for model, totals in ranked[:MOST_MODELS]]
    rest = sum(totals[place] for _, totals in ranked[MOST_MODELS:])
    return [*found, ((OTHERS,), rest)] if rest else found
