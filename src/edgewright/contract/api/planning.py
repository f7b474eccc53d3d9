"""Plans of rollouts before they start, and which devices a release fits."""

from __future__ import annotations

import msgspec

from edgewright.contract.api.optimization import Place
from edgewright.contract.api.rollouts import GateDraft, RolloutDraft


class MisfitGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that get nothing for one reason; `devices` names the first of them."""

    reason: str
    count: int
    devices: tuple[str, ...]


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """A device that gets nothing, and why."""

    device: str
    name: str
    reason: str


class MisfitPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the devices that get nothing, by id; `after` asks for the next ones, '' where there are none."""

    misfits: tuple[Misfit, ...]
    after: str = ""


class ClassFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What a package takes on one hardware class: measured there where `place` is DEVICE, else told by the variant."""

    hardware: str
    devices: int  # of the group
    fitting: int  # of them: the package could run there
    latency_p95_ms: float
    memory_bytes: int
    place: Place  # the less trusted of the two, where they differ
    measured_on: int = 0  # devices of that class; 0 where it was measured elsewhere, or estimated


class PackageFit(msgspec.Struct, frozen=True, kw_only=True):
    """One package of the release: `fitting` devices could run it, `chosen` devices would get it."""

    target: str
    manifest_sha256: str
    size_bytes: int
    latency_budget_ms: float
    memory_budget_bytes: int
    fitting: int
    chosen: int
    figures: tuple[ClassFigure, ...]


class FitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices of a group a release fits; `group` is "" for every device in service."""

    release: str
    group: str
    devices: int
    fitting: int
    packages: tuple[PackageFit, ...]
    misfits: tuple[MisfitGroup, ...]
    warnings: tuple[str, ...] = ()


class PlannedWaveRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A wave as it would be. `asked` is what was drafted for it: '5', '10%', 'site=berlin'."""

    number: int
    asked: str
    size: int
    targets: dict[str, int]
    hardware: dict[str, int]
    sites: int
    sent_bytes: int
    full_bytes: int
    soak_s: float
    needs_promotion: bool
    gate: GateDraft
    devices: tuple[str, ...] = ()  # the first of them


class SiteForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout means for one site: the devices that agree in the plan's label."""

    site: str
    devices: int
    sent_bytes: int
    least_s: float = 0.0  # what its cap makes of these bytes


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """When the windows open next for the devices of one time zone; '' is for those that tell none."""

    time_zone: str
    devices: int
    opens_at: float


class BudgetForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a disruption budget means: the largest of `sites` sites takes at least `turns` turns."""

    per: str
    max_unavailable: int
    sites: int
    largest: int  # devices of the largest site
    turns: int


class RolloutPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as it would be, with what speaks against it; nothing was started. Bytes are what would cross links."""

    draft: RolloutDraft
    release: str
    group: str
    devices: int  # of the group
    planned: int  # that get the release
    already: int  # that run it
    waves: tuple[PlannedWaveRecord, ...]
    misfits: tuple[MisfitGroup, ...]
    sent_bytes: int
    full_bytes: int
    per: str  # the label that tells sites apart
    site_count: int
    sites: tuple[SiteForecast, ...]  # the ones with the most bytes
    begins_at: float
    openings: tuple[Opening, ...]
    budgets: tuple[BudgetForecast, ...]
    least_s: float  # soaks and lines alone: it takes longer
    warnings: tuple[str, ...] = ()
