"""How a package reaches one device: files whole, as deltas or as chains of deltas. See docs/reference/delivery.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.manifest import File
from edgewright.contract.order import Fetch
from edgewright.contract.report import Pace

MAX_HOPS = 4
MAX_FETCHES = 128
REQUEST_BYTES = 600  # what a request and the head of its answer take
FETCH_BYTES = 330  # what a fetch takes in an order
APPLY_START_S = 0.4  # to start the process that applies a delta
SLACK_S = 5.0  # how much later a package may be complete where that saves bytes on a line that is not metered
UNMEASURED = Pace(download_bytes_s=1e6, request_s=0.1, apply_bytes_s=20e6)


@dataclass(frozen=True)
class Plan:
    """How one device gets a package: `fetches` in the order in which they can be applied, all else in full.

    `sent_bytes` counts the blobs that cross the link, `full_bytes` what all the files have, and `elapsed_s` is what
    it takes this device, as far as it is known.
    """

    fetches: tuple[Fetch, ...]
    sent_bytes: int
    full_bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class _Route:
    """A way to one file and its cost; without fetches the file is downloaded whole, or lies on the device."""

    fetches: tuple[Fetch, ...]
    cost_bytes: int
    cost_s: float


_Key = Callable[[_Route], tuple[float, float]]


def plan_fetches(
    files: Sequence[File], held: Collection[str], known: Iterable[Fetch], pace: Pace, max_fetches: int = MAX_FETCHES
) -> Plan:
    """The cheapest way to each of `files` for a device that holds the files `held` (digests).

    `known` are the deltas that exist, between any files. On a metered line the fewest bytes win. Elsewhere the
    fastest ways win by the device's own measurements; then ways with fewer bytes take their place, those first that
    save most for each second, until the package comes `SLACK_S` later. A file is never brought in more bytes than
    it has. Chains have at most `MAX_HOPS` deltas. Where more than `max_fetches` would be named, those that save
    least are left out.
    """
    costs = _Costs(pace)
    lacking = list({file.sha256: file for file in files if file.sha256 not in held}.values())
    reached = _routes(held, known, costs)
    ways = {file.sha256: [costs.whole(file), *_ways(file, reached)] for file in lacking}
    leanest = {sha256: min(routes, key=_fewest_bytes) for sha256, routes in ways.items()}
    fastest = {sha256: min(routes, key=_least_time) for sha256, routes in ways.items()}
    chosen = leanest if pace.is_metered else _with_slack(fastest, leanest)
    kept = _fit(lacking, chosen, costs, max_fetches)
    return _plan(files, lacking, kept, costs)


class _Costs:
    """What things cost this device; what it has not measured yet is assumed."""

    def __init__(self, pace: Pace) -> None:
        self._download_bytes_s = pace.download_bytes_s or UNMEASURED.download_bytes_s
        self._request_s = pace.request_s or UNMEASURED.request_s
        self._apply_bytes_s = pace.apply_bytes_s or UNMEASURED.apply_bytes_s

    def whole(self, file: File) -> _Route:
        return _Route((), file.size_bytes + REQUEST_BYTES, self._download_s(file.size_bytes))

    def longer(self, route: _Route, fetch: Fetch) -> _Route:
        apply_s = APPLY_START_S + fetch.result_bytes / self._apply_bytes_s
        cost_bytes = route.cost_bytes + fetch.size_bytes + REQUEST_BYTES + FETCH_BYTES
        cost_s = route.cost_s + self._download_s(fetch.size_bytes) + apply_s
        return _Route((*route.fetches, fetch), cost_bytes, cost_s)

    def _download_s(self, size_bytes: int) -> float:
        return self._request_s + size_bytes / self._download_bytes_s


def _fewest_bytes(route: _Route) -> tuple[float, float]:
    return (route.cost_bytes, route.cost_s)


def _least_time(route: _Route) -> tuple[float, float]:
    return (route.cost_s, route.cost_bytes)


def _routes(held: Collection[str], known: Iterable[Fetch], costs: _Costs) -> list[Mapping[str, _Route]]:
    """The best routes from what is held, by digest of what they make: for each number of hops, by bytes and by time."""
    edges = sorted(known, key=lambda fetch: (fetch.base_sha256, fetch.result_sha256, fetch.size_bytes, fetch.sha256))
    return [found for key in (_fewest_bytes, _least_time) for found in _hops(held, edges, costs, key)]


def _hops(held: Collection[str], edges: Sequence[Fetch], costs: _Costs, key: _Key) -> Iterable[Mapping[str, _Route]]:
    """Bellman–Ford, cut off after `MAX_HOPS` rounds: what the n-th round finds are chains of n deltas."""
    best = {sha256: _Route((), 0, 0.0) for sha256 in held}
    frontier = dict(best)
    for _ in range(MAX_HOPS):
        found: dict[str, _Route] = {}
        for edge in edges:
            if edge.base_sha256 in frontier:
                route = costs.longer(frontier[edge.base_sha256], edge)
                rival = found.get(edge.result_sha256) or best.get(edge.result_sha256)
                if rival is None or key(route) < key(rival):
                    found[edge.result_sha256] = route
        best |= found
        frontier = found
        yield found


def _ways(file: File, reached: Iterable[Mapping[str, _Route]]) -> Iterable[_Route]:
    return (found[file.sha256] for found in reached if file.sha256 in found)


def _with_slack(fastest: Mapping[str, _Route], leanest: Mapping[str, _Route]) -> dict[str, _Route]:
    """The fastest routes, of which as many as there is slack for give way to leaner ones."""

    def saving_rate(sha256: str) -> tuple[float, str]:
        saved_bytes = fastest[sha256].cost_bytes - leanest[sha256].cost_bytes
        return (-saved_bytes / max(later_s(sha256), 1e-9), sha256)

    def later_s(sha256: str) -> float:
        return leanest[sha256].cost_s - fastest[sha256].cost_s

    chosen, slack_s = dict(fastest), SLACK_S
    for sha256 in sorted(fastest, key=saving_rate):
        if later_s(sha256) <= slack_s:
            chosen[sha256] = leanest[sha256]
            slack_s -= later_s(sha256)
    return chosen


def _fit(lacking: Sequence[File], chosen: Mapping[str, _Route], costs: _Costs, max_fetches: int) -> dict[str, _Route]:
    """Keep the routes that save most for each fetch that they name, as many as there is room for."""

    def saving(file: File) -> tuple[float, str]:
        route = chosen[file.sha256]
        return (-(costs.whole(file).cost_bytes - route.cost_bytes) / max(1, len(route.fetches)), file.sha256)

    kept: dict[str, _Route] = {}
    room = max_fetches
    for file in sorted(lacking, key=saving):
        route = chosen[file.sha256]
        if len(route.fetches) > room:
            route = costs.whole(file)
        room -= len(route.fetches)
        kept[file.sha256] = route
    return kept


def _plan(files: Sequence[File], lacking: Sequence[File], routes: Mapping[str, _Route], costs: _Costs) -> Plan:
    fetches = tuple(dict.fromkeys(fetch for file in lacking for fetch in routes[file.sha256].fetches))
    whole = [file for file in lacking if not routes[file.sha256].fetches]
    return Plan(
        fetches=fetches,
        sent_bytes=sum(fetch.size_bytes for fetch in fetches) + sum(file.size_bytes for file in whole),
        full_bytes=sum(file.size_bytes for file in files),
        elapsed_s=sum(route.cost_s for route in routes.values()),
    )
