"""What the dashboard shows of drift: a chart of effects over time, its table, and the features behind an alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgewright.contract.api import AlertRecord, DriftPoint, DriftStatus, FeatureDrift
from edgewright.hub.observe.detectors.drift.effects import TOLERANCE
from edgewright.hub.web.views import Glance, Moment

FEATURES_CHARTED = 6
FEATURES_LISTED = 12
POINTS_TABLED = 40


class Line(msgspec.Struct, frozen=True):
    """A feature's effects, one for each time of the chart; None where it was not seen."""

    name: str
    values: tuple[float | None, ...]


class Chart(msgspec.Struct, frozen=True):
    """Effects over time as the browser draws them, as JSON in an attribute."""

    at: tuple[float, ...]
    lines: tuple[Line, ...]
    tolerance: float


@dataclass(frozen=True)
class DriftView:
    """One model version in the fleet. `times` are the moments of the chart's newest points, for its table.

    An earlier version that does not drift is not shown whole: its figures are enough.
    """

    status: DriftStatus
    is_whole: bool
    alert: AlertRecord | None
    since: Moment | None
    devices: tuple[str, ...]
    chart: Chart
    label: str
    times: tuple[tuple[Moment, int], ...]
    features: tuple[FeatureDrift, ...]
    hidden: int


def drift(glance: Glance) -> tuple[DriftView, ...]:
    """Every version that devices report on: what drifts comes first, then the newest of each model."""
    newest: dict[str, int] = {}
    for status in glance.overview.drift:
        newest[status.model] = max(status.version, newest.get(status.model, 0))
    ranked = sorted(glance.overview.drift, key=lambda s: (not s.is_drifting, s.model, -s.version))
    return tuple(_view(glance, status, newest[status.model] == status.version) for status in ranked)


def _view(glance: Glance, status: DriftStatus, is_newest: bool) -> DriftView:
    alert = next((alert for alert in status.alerts if alert.state == "open"), None)
    points = sorted(status.series, key=lambda point: point.at)  # a device that was away sends late
    chart = _chart(status, points)
    return DriftView(
        status=status,
        is_whole=status.is_drifting or is_newest,
        alert=alert,
        since=glance.moment(alert.since) if alert else None,
        devices=glance.names(alert.devices) if alert else (),
        chart=chart,
        label=_label(status, chart),
        times=tuple((glance.moment(point.at), point.rows) for point in points[-POINTS_TABLED:]),
        features=status.features[:FEATURES_LISTED],
        hidden=max(0, len(status.features) - FEATURES_LISTED),
    )


def _chart(status: DriftStatus, points: Sequence[DriftPoint]) -> Chart:
    """The features that lie furthest from training now."""
    names = [feature.feature for feature in sorted(status.features, key=lambda f: (-f.effect, f.feature))]
    lines = (Line(name, tuple(point.effects.get(name) for point in points)) for name in names[:FEATURES_CHARTED])
    return Chart(tuple(point.at for point in points), tuple(lines), TOLERANCE)


def _label(status: DriftStatus, chart: Chart) -> str:
    top = f"; {chart.lines[0].name} is the furthest from training" if chart.lines else ""
    return f"Effect over time by feature, {status.model} version {status.version}{top}. The table below has the values."
