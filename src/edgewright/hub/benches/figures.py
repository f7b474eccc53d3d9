"""What enrolled devices have measured of a variant: by benches, and by the trials of their installs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import MeasurementState, Memory, Timing
from edgewright.contract.manifest import Role
from edgewright.hub.benches.model import MAX_BYTES, MAX_MS, Figure, by_device, merge
from edgewright.hub.benches.table import measurement
from edgewright.hub.db import Database
from edgewright.hub.fleet import hardware_class
from edgewright.hub.fleet.table import device
from edgewright.hub.packaging.table import package_file
from edgewright.hub.rollout.planning import Measured
from edgewright.hub.rollout.table import deployment, install_report

MAX_FIGURES = 500
_DEVICE = (device.c.id, device.c.name, device.c.arch, device.c.cores, device.c.hardware_ids)


class DeviceFigures:
    """Reads figures; it needs no more of the hub than its tables."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def by_hardware(self, sha256s: Sequence[str]) -> dict[str, dict[str, Measured]]:
        """What devices took for these model files, whatever target named them, by digest and hardware class.

        The median over the devices of a class, of each its latest bench, or else its latest install.
        """
        return {sha256: self._by_hardware(sha256) for sha256 in sha256s}

    def of(self, sha256: str, target: str) -> tuple[Timing, Memory] | None:
        """Time and memory of the variant with that model file, on devices that took it for that target.

        The median over devices, of each its latest bench, or else its latest install; None where there is neither.
        Installs tell no p99: it is taken for their p95.
        """
        with self._db.read() as connection:
            benches = [_benched(row) for row in connection.execute(_benches(sha256, target))]
            installs = [figure for row in connection.execute(_installs(sha256, target)) if (figure := _installed(row))]
        return merge(by_device(benches[::-1], installs[::-1]), target)

    def _by_hardware(self, sha256: str) -> dict[str, Measured]:
        with self._db.read() as connection:
            benches = [(_hardware(row), _benched(row)) for row in connection.execute(_benches(sha256))]
            installs = [
                (_hardware(row), figure) for row in connection.execute(_installs(sha256)) if (figure := _installed(row))
            ]
        classes = {hardware for hardware, _ in (*benches, *installs)}
        return {one: _measured(_only(one, benches), _only(one, installs)) for one in classes}


def _only(hardware: str, figures: Sequence[tuple[str, Figure]]) -> list[Figure]:
    """Those of one hardware class, the oldest first."""
    return [figure for of, figure in reversed(figures) if of == hardware]


def _measured(benches: Sequence[Figure], installs: Sequence[Figure]) -> Measured:
    figures = by_device(benches, installs)
    return Measured(
        latency_p95_ms=statistics.median(figure.p95_ms for figure in figures),
        memory_bytes=round(statistics.median(figure.peak_bytes for figure in figures)),
        devices=len(figures),
    )


def _hardware(row: Any) -> str:
    return hardware_class(row.arch, row.cores, row.hardware_ids)


def _benches(sha256: str, target: str = "") -> sa.Select[Any]:
    """The newest first; of one target, or of all."""
    of = measurement.c
    query = sa.select(*_DEVICE, of.report).join(device, device.c.id == of.device)
    query = query.where(of.variant_sha256 == sha256, of.state == MeasurementState.DONE)
    query = query.where(of.target == target) if target else query
    return query.order_by(of.updated_at.desc()).limit(MAX_FIGURES)


def _installs(sha256: str, target: str = "") -> sa.Select[Any]:
    """The newest first; of one target, or of all."""
    with_it = sa.select(package_file.c.manifest_sha256).where(
        package_file.c.sha256 == sha256, package_file.c.role == Role.MODEL
    )
    query = sa.select(*_DEVICE, install_report.c.body).select_from(install_report)
    query = query.join(deployment, deployment.c.id == install_report.c.deployment)
    query = query.join(device, device.c.id == install_report.c.device)
    query = query.where(deployment.c.manifest_sha256.in_(with_it))
    query = query.where(deployment.c.target == target) if target else query
    return query.order_by(install_report.c.received_at.desc()).limit(MAX_FIGURES)


def _benched(row: Any) -> Figure:
    told = row.report
    runtime = f"{told['runtime']} {told['runtime_version']}"
    latencies = (told["latency_p50_ms"], told["latency_p95_ms"], told["latency_p99_ms"])
    return Figure(row.id, row.name, runtime, *latencies, told["memory_bytes"])


def _installed(row: Any) -> Figure | None:
    """None where the trial was not reached, or its figures make no sense."""
    p50_ms, p95_ms, peak_bytes = (row.body.get(name) or 0 for name in _MEASURED)
    is_plausible = 0 < p50_ms <= p95_ms < MAX_MS and 0 < peak_bytes < MAX_BYTES
    return Figure(row.id, row.name, "", p50_ms, p95_ms, p95_ms, peak_bytes) if is_plausible else None


_MEASURED = ("latency_p50_ms", "latency_p95_ms", "memory_bytes")
