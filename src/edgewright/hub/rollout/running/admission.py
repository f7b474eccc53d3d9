"""Who may begin an install now: windows, disruption budgets, site caps, held and silent devices. Pure.

A device that is admitted holds its places until it has answered or its lease has ended, so no device waits for a place
while it holds another one: rollouts cannot lock each other out, and as leases end everybody is served in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edgewright.contract import windows
from edgewright.contract.api import Budget, SiteCap
from edgewright.contract.errors import InvalidInput

LEASE_S = 1800.0
LEAST_BYTES_S = 50_000.0
"""A line that carries less must renew its lease on the way."""
LINE_BURST_S = 60.0
"""What a line may carry ahead of its time."""
BLOCKED_S = 600.0
"""When one that waits for a place is looked at again although nothing has woken it."""
HUB_ZONE = "UTC"


@dataclass(frozen=True)
class Terms:
    """What one rollout asks of admission. An emergency asks nothing, and waits for no line that others have capped."""

    windows: tuple[windows.Window, ...] = ()
    budgets: tuple[Budget, ...] = ()
    caps: tuple[SiteCap, ...] = ()
    is_emergency: bool = False

    @property
    def labels(self) -> frozenset[str]:
        """The labels by which sites are told apart."""
        return frozenset(rule.per for rule in self.budgets) | {rule.per for rule in self.caps}


@dataclass(frozen=True)
class Candidate:
    """A deployment that could begin. `sent_bytes` is what shall cross the line of its site."""

    number: int
    device: str
    rollout: str
    labels: Mapping[str, str]
    time_zone: str = ""
    full_bytes: int = 0
    sent_bytes: int = 0
    held: str = ""  # why it may get nothing at all now
    is_away: bool = False


@dataclass(frozen=True)
class Site:
    """What is known of the devices that agree in one label.

    `unavailable` are those that are away, quarantined, or at an install; `under_way` counts the installs. Its line
    will have carried all that was admitted at `free_at`.
    """

    unavailable: frozenset[str] = frozenset()
    under_way: int = 0
    free_at: float = 0.0


@dataclass(frozen=True)
class Admitted:
    """It may begin, until `lease_until`; it takes a place at each of `sites`."""

    candidate: Candidate
    lease_until: float


@dataclass(frozen=True)
class Later:
    """It is looked at again at `due_at` (None: once its device is heard), or when a place at `blocked_on` is free."""

    candidate: Candidate
    reason: str
    due_at: float | None
    blocked_on: str | None = None


@dataclass
class _Work:
    """A site while candidates are admitted to it, one after another."""

    unavailable: set[str]
    under_way: int
    free_at: float


@dataclass(frozen=True)
class Chosen:
    """What became of the candidates, and when the lines of their sites are free."""

    admitted: tuple[Admitted, ...] = ()
    later: tuple[Later, ...] = ()
    free_at: Mapping[str, float] = field(default_factory=dict)


def admit(
    candidates: Sequence[Candidate],
    sites: Mapping[str, Site],
    terms: Mapping[str, Terms],
    now: float,
    lines: Mapping[str, float] | None = None,
) -> Chosen:
    """Admit those of `candidates`, in their order, that nothing keeps back; `terms` are by rollout, `sites` by name.

    What is admitted first counts for those after it. A site that is not in `sites` is an idle one. `lines` are the
    bytes per second of sites' lines by label, whoever has capped them: all that is sent there counts.
    """
    lines = lines or {}
    work: dict[str, _Work] = {}
    admitted, later = list[Admitted](), list[Later]()
    zones: dict[tuple[str, str], float] = {}
    for candidate in candidates:
        wanted = terms[candidate.rollout]
        kept = _by_itself(candidate, wanted, zones, now) or _by_sites(candidate, wanted, lines, work, sites, now)
        if kept is not None:
            later.append(kept)
            continue
        _take(candidate, wanted, lines, work, sites, now)
        admitted.append(Admitted(candidate, now + lease_s(candidate.full_bytes)))
    moved = {name: site.free_at for name, site in work.items() if site.free_at > now}
    return Chosen(tuple(admitted), tuple(later), moved)


def lines_of(caps: Iterable[SiteCap]) -> dict[str, float]:
    """How many bytes per second sites' lines may carry, by label: of several caps the lowest."""
    found: dict[str, float] = {}
    for cap in caps:
        if cap.bytes_s:
            found[cap.per] = min(cap.bytes_s, found.get(cap.per, cap.bytes_s))
    return found


def lease_s(full_bytes: int) -> float:
    """How long a device may be at its install before it must have been heard again."""
    return LEASE_S + full_bytes / LEAST_BYTES_S


def site_of(label: str, labels: Mapping[str, str]) -> str:
    """The site of a device by one label; devices without it are one site."""
    return f"{label}={labels.get(label, '')}"


def opens_at(wanted: Sequence[windows.Window], time_zone: str, now: float) -> float:
    """When one of the windows is open in a device's own time zone, in UTC where it has told none that the hub knows."""
    try:
        where = windows.zone(time_zone or HUB_ZONE)
    except InvalidInput:
        where = windows.zone(HUB_ZONE)
    return windows.opens_at(wanted, now, where)


def _by_itself(candidate: Candidate, wanted: Terms, zones: dict[tuple[str, str], float], now: float) -> Later | None:
    if candidate.held:
        return Later(candidate, f"held: {candidate.held}", now + BLOCKED_S)
    if candidate.is_away:
        return Later(candidate, "away", None)
    if not wanted.windows:
        return None
    key = (candidate.rollout, candidate.time_zone)
    if key not in zones:
        zones[key] = opens_at(wanted.windows, candidate.time_zone, now)
    if zones[key] > now:
        return Later(candidate, f"waits for its window ({candidate.time_zone or HUB_ZONE})", zones[key])
    return None


def _by_sites(
    candidate: Candidate,
    wanted: Terms,
    lines: Mapping[str, float],
    work: dict[str, _Work],
    sites: Mapping[str, Site],
    now: float,
) -> Later | None:
    for budget in wanted.budgets:
        name = site_of(budget.per, candidate.labels)
        gone = _at(name, work, sites).unavailable
        if len(gone | {candidate.device}) > budget.max_unavailable:
            reason = f"{len(gone)} of {name} are unavailable, {budget.max_unavailable} may"
            return Later(candidate, reason, now + BLOCKED_S, name)
    for cap in wanted.caps:
        name = site_of(cap.per, candidate.labels)
        site = _at(name, work, sites)
        if cap.max_at_once and site.under_way >= cap.max_at_once:
            reason = f"{site.under_way} of {name} are at it, {cap.max_at_once} may"
            return Later(candidate, reason, now + BLOCKED_S, name)
    for label in () if wanted.is_emergency else lines:
        name = site_of(label, candidate.labels)
        free_at = _at(name, work, sites).free_at
        if free_at > now + LINE_BURST_S:
            return Later(candidate, f"the line of {name} is taken", free_at - LINE_BURST_S)
    return None


def _take(
    candidate: Candidate,
    wanted: Terms,
    lines: Mapping[str, float],
    work: dict[str, _Work],
    sites: Mapping[str, Site],
    now: float,
) -> None:
    for label in wanted.labels:
        site = _at(site_of(label, candidate.labels), work, sites)
        site.unavailable.add(candidate.device)
        site.under_way += 1
    for label, bytes_s in lines.items():
        site = _at(site_of(label, candidate.labels), work, sites)
        site.free_at = max(site.free_at, now) + candidate.sent_bytes / bytes_s


def _at(name: str, work: dict[str, _Work], sites: Mapping[str, Site]) -> _Work:
    if name not in work:
        known = sites.get(name, Site())
        work[name] = _Work(set(known.unavailable), known.under_way, known.free_at)
    return work[name]
