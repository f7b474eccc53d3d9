"""Reads the evidence of a wave: what its devices reported of their install, and how the model behaves on them since."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import GateDraft, GateVerdict
from edgewright.contract.manifest import Budgets, Manifest
from edgewright.hub.data import Answer
from edgewright.hub.data.model import RESERVOIR
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates.evidence import Evidence, Installed, Labelled, Served
from edgewright.hub.rollout.model import BROKEN, OPEN, DeploymentState

ENDED = (DeploymentState.COMMITTED, *BROKEN)
MOST_DEVICES = 1000
"""Of a wave's reports, of canaries and of controls that are looked at; the plan shuffles who is in which wave."""
READ_EVERY_S = 30.0
BEFORE_S = 86400.0
MOST_KEPT = 64
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Counted:
    """One device's requests in a span, added up; see evidence.Served."""

    rows: int = 0
    failed: int = 0
    unsure: int = 0
    estimated_right: float | None = None


class Manifests(Protocol):
    """The manifests of packages."""

    def manifest(self, sha256: str) -> Manifest:
        """The manifest of that digest; raises NotFound."""


class Behaviour(Protocol):
    """How versions of a model behave on devices, by their profiles."""

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

    def drift(self, connection: sa.Connection, model: str, version: int) -> float | None:
        """How far the version's data are from its training data; see evidence.Evidence."""


Labels = Callable[[sa.Connection, str, int], Iterable[Answer]]
"""What a version answered of what people have labelled."""


class Unwatched:
    """Behaviour where nobody profiles."""

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
        return {}

    def drift(self, connection: sa.Connection, model: str, version: int) -> float | None:
        return None


class EvidenceReader:
    """Reads what a wave's gate needs, bounded whatever the fleet's size; in one hub process for all rollouts.

    Reports of installs are read again when more installs have ended; the rest at most every `READ_EVERY_S`.
    """

    def __init__(self, manifests: Manifests, behaviour: Behaviour, labels: Labels) -> None:
        self._manifests = manifests
        self._behaviour = behaviour
        self._labels = labels
        self._budgets: dict[str, Budgets] = {}
        self._kept: dict[str, tuple[int, int, float, Evidence]] = {}

    def read(
        self, connection: sa.Connection, head: Row, wave: Row, counts: Mapping[DeploymentState, int], now: float
    ) -> Evidence:
        """The evidence of `wave` (rows of the tables rollout and wave), of whose deployments so many are where."""
        ended = sum(counts.get(state, 0) for state in ENDED)
        number, kept, at, old = self._kept.get(head["id"], (0, 0, 0.0, Evidence()))
        is_fresh = number == wave["number"] and 0 <= now - at < READ_EVERY_S
        if not is_fresh:
            old = self._behaves(connection, head, wave, now)
        if not is_fresh or (ended != kept and kept < MOST_DEVICES):
            old = replace(old, installed=self._installed(connection, head, wave["number"], counts))
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[head["id"]] = (wave["number"], ended, at if is_fresh else now, old)
        awaited = _awaited(counts, ended) if wave["committed_at"] is None else 0
        before = _before(connection, head["id"])
        return replace(old, committed_at=wave["committed_at"], awaited=awaited, before=before)

    def _behaves(self, connection: sa.Connection, head: Row, wave: Row, now: float) -> Evidence:
        model, version = head["model"], head["version"]
        waves = table.wave.c
        began = sa.select(sa.func.min(waves.started_at)).where(waves.rollout == head["id"])
        since = connection.scalar(began) or now
        canaries = _devices(connection, head["id"], DeploymentState.COMMITTED, is_last=False)
        controls = _devices(connection, head["id"], DeploymentState.PENDING, is_last=True)
        return Evidence(
            shadow_bar=_lowered_bar(head),
            canaries=self._served(connection, model, canaries, since, now, version=version),
            controls=self._served(connection, model, controls, since, now, not_version=version),
            drift=self._behaviour.drift(connection, model, version),
            labelled=_labelled(self._labels(connection, model, version), canaries, since),
        )

    def _served(
        self, connection: sa.Connection, model: str, devices: Sequence[str], since: float, now: float, **which: int
    ) -> tuple[Served, ...]:
        past = which if "not_version" in which else {"not_version": which["version"]}
        after = self._behaviour.served(connection, model, devices, since, now, **which)
        before = self._behaviour.served(connection, model, devices, since - BEFORE_S, since, **past)
        return tuple(_joined(device, one, before.get(device, Counted())) for device, one in after.items())

    def _installed(
        self, connection: sa.Connection, head: Row, number: int, counts: Mapping[DeploymentState, int]
    ) -> tuple[Installed, ...]:
        """By device; where there are more than can be read, of each outcome in proportion."""
        ended, found = sum(counts.get(state, 0) for state in ENDED), dict[str, Installed]()
        for state in ENDED:
            count = counts.get(state, 0)
            most = count if ended <= MOST_DEVICES else math.ceil(MOST_DEVICES * count / ended)
            for row in connection.execute(_reports(head["id"], number, state, most)) if most else ():
                if row.device not in found or _tells_of_a_trial(row.body):  # later it may go back, and say no more
                    found[row.device] = self._one(row)
        return tuple(found.values())

    def _one(self, row: Any) -> Installed:
        budgets = self._budgets.get(row.manifest_sha256)
        if budgets is None:
            budgets = self._manifests.manifest(row.manifest_sha256).budgets
            self._budgets[row.manifest_sha256] = budgets
        is_committed, has_crashed = row.state == DeploymentState.COMMITTED, row.faulted_at is not None
        golden, shadow = row.body.get("golden") or {}, row.body.get("shadow") or {}
        is_compared = is_committed and bool(shadow.get("requests"))
        return Installed(
            device=row.device,
            golden_passed=golden.get("passed"),
            agreement=_share(shadow.get("agreement")) if is_compared else None,
            score_shift=_share(shadow.get("score_shift")) if is_compared else None,
            latency_share=_part(row.body.get("latency_p95_ms"), budgets.latency_p95_ms),
            memory_share=_part(row.body.get("memory_bytes"), budgets.memory_bytes),
            has_crashed=has_crashed if has_crashed or is_committed else None,
        )


def _reports(rollout: str, number: int, state: DeploymentState, most: int) -> sa.Select[Any]:
    """What devices of a wave told whose deployments are in that state, each device's in the order in which it came."""
    of, reports = table.deployment.c, table.install_report.c
    some = _of_wave(of.id, rollout, number, state, most).subquery()
    query = sa.select(of.device, of.state, of.manifest_sha256, of.faulted_at, reports.body)
    query = query.join(some, some.c.id == of.id).join(table.install_report, reports.deployment == of.id)
    return query.order_by(reports.received_at)


def _tells_of_a_trial(report: Mapping[str, Any]) -> bool:
    return bool(report.get("golden") or report.get("latency_p95_ms") or report.get("memory_bytes"))


def _awaited(counts: Mapping[DeploymentState, int], ended: int) -> int:
    """How many devices may still report, for as many as are read of those that have."""
    still = sum(counts.get(state, 0) for state in OPEN)
    return still if ended <= MOST_DEVICES else round(still * MOST_DEVICES / ended)


def _labelled(answers: Iterable[Answer], devices: Sequence[str], since: float) -> tuple[Labelled, ...]:
    """Of these devices, since then; the reservoir's alone: the others were chosen because the model was unsure."""
    wanted, counts = set(devices), Counter[tuple[str, tuple[tuple[str, str], ...], bool]]()
    for one in answers:
        if one.device in wanted and one.at >= since and one.chosen_as == RESERVOIR and one.predicted is not None:
            counts[one.device, tuple(sorted(one.groups.items())), one.predicted == one.label] += 1
    kinds = sorted({(device, groups) for device, groups, _ in counts})
    return tuple(
        Labelled(
            device, counts[device, groups, True], counts[device, groups, True] + counts[device, groups, False], groups
        )
        for device, groups in kinds
    )


def _devices(connection: sa.Connection, rollout: str, state: DeploymentState, *, is_last: bool) -> list[str]:
    """Devices in that state, of the first waves or of the last ones."""
    wave = table.wave.c
    query = sa.select(wave.number).where(wave.rollout == rollout)
    numbers = list(connection.scalars(query.order_by(wave.number.desc() if is_last else wave.number)))
    found: list[str] = []
    for number in numbers:
        left = MOST_DEVICES - len(found)
        if left:
            found += connection.scalars(_of_wave(table.deployment.c.device, rollout, number, state, left))
    return found


def _of_wave(
    column: sa.ColumnElement[str], rollout: str, number: int, state: DeploymentState, limit: int
) -> sa.Select[Any]:
    """That column of some deployments, by their index: in no order, so that a large wave is not sorted."""
    of = table.deployment.c
    query = sa.select(column).where(of.rollout == rollout, of.wave == number, of.state == state)
    return query.limit(limit)


def _lowered_bar(head: Row) -> float | None:
    """The bar of agreement, where labelled data lowered it; see shadow_policy."""
    bar = head["shadow"]["min_agreement"] if head["shadow"] else None
    return bar if bar is not None and bar < msgspec.convert(head["gate"], GateDraft).shadow_agreement else None


def _joined(device: str, after: Counted, before: Counted) -> Served:
    return Served(
        device=device,
        rows=after.rows,
        failed=after.failed,
        unsure=after.unsure,
        estimated_right=after.estimated_right,
        rows_before=before.rows,
        failed_before=before.failed,
        unsure_before=before.unsure,
    )


def _before(connection: sa.Connection, rollout: str) -> tuple[GateVerdict, ...]:
    waves = table.wave.c
    query = sa.select(waves.verdicts).where(waves.rollout == rollout, waves.started_at.is_not(None))
    found = [one for verdicts in connection.scalars(query.order_by(waves.number)) for one in verdicts or ()]
    return msgspec.convert(tuple(found), tuple[GateVerdict, ...])


def _share(value: float | None) -> float | None:
    """A device may say what it likes, and numbers that are none were kept as null."""
    return value if value is not None and 0.0 <= value <= 1.0 else None


def _part(value: float | None, budget: float) -> float | None:
    """Which part of its budget is spent; what was not measured is 0 in a report."""
    return value / budget if value is not None and value > 0 and budget > 0 else None
