"""What a tick of a wave costs: with as many changes in fleets of a hundredfold size, and through a whole rollout.

The peer is the tick that this one replaced: it reads every deployment of the wave and when each device was last heard
of, and counts. hawkBit's scheduler looks at its rollouts in the same manner (its issue #983: three minutes for
1.2 million targets). Both run on the same tables, in the same state, one after the other. Times are of the whole tick
with its transaction; left out are check-ins over HTTP, signing, and the worker that calls ticks (DBOS).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from edgewright.contract.api import Budget, GateDraft, RolloutDraft, RolloutState, WaveDraft
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import DeviceFacts, WaveFacts, decide, health
from edgewright.hub.rollout.model import DeploymentState
from rollouts.figures import figure
from rollouts.hub import GROUP, MODEL, World, world

TICK_BOUND_S = 0.2
CHANGED = 50
LOOKS = 15
TICK_S = 2.0
SCAN = "every deployment of the wave read and counted"


def main(is_quick: bool) -> int:
    """Print the figures; 1 if a bound does not hold."""
    sizes = (1_000, 10_000) if is_quick else (1_000, 10_000, 100_000)
    by_size = [at_size(size) for size in sizes]
    holds = [figure_of_size(size, *costs) for size, costs in zip(sizes, by_size, strict=True)]
    growth, scan_growth = (by_size[-1][which] / by_size[0][which] for which in (0, 1))
    name = f"tick: cost at {sizes[-1]:,} devices over that at {sizes[0]:,}, {CHANGED} changes"
    bound = f"<= 2 (the wave grows {sizes[-1] // sizes[0]}-fold)"
    holds.append(figure(name, growth, scan_growth, SCAN, "times", bound=bound, holds=growth <= 2))
    holds.append(whole(sizes[-1]))
    return 0 if all(holds) else 1


def at_size(size: int) -> tuple[float, float]:
    """The median tick and the median scan, in seconds, where `CHANGED` devices answer between looks."""
    with world(size) as hub:
        gate = GateDraft(patience_s=3600.0)
        id = hub.start(RolloutDraft(release=f"{MODEL}/1", group=GROUP, waves=(size,), gate=gate)).id
        while hub.rollouts.waves.tick(id, 1, 1).wait_s == 0:
            pass
        ticks, scans = list[float](), list[float]()
        for look in range(LOOKS):
            hub.answer(id, hub.devices[look * CHANGED : (look + 1) * CHANGED])
            hub.clock.now += TICK_S
            ticks.append(timed(lambda: hub.rollouts.waves.tick(id, 1, 1)))
            scans.append(timed(lambda: scan(hub, id, gate)))
        return statistics.median(ticks), statistics.median(scans)


def scan(hub: World, rollout: str, gate: GateDraft) -> None:
    """Decide as the former tick did: by looking at every device of the wave."""
    of = table.deployment.c
    with hub.db.write() as connection:
        rows = connection.execute(sa.select(of.device, of.state).where(of.rollout == rollout, of.wave == 1)).all()
        seen = hub.fleet.seen([row.device for row in rows])
        devices = tuple(DeviceFacts(DeploymentState(row.state), seen[row.device].at) for row in rows)
        decide(health(WaveFacts(devices), gate, hub.clock()), gate)


def whole(size: int) -> bool:
    """A rollout over the fleet in four waves, one lane of each store at a time; the longest and the 99th tick."""
    with world(size) as hub:
        waves = tuple(WaveDraft(percent=share) for share in (0.1, 1.0, 10.0, 100.0))
        budgets = (Budget(per="site", max_unavailable=1),)
        gate = GateDraft(patience_s=3600.0)
        draft = RolloutDraft(release=f"{MODEL}/1", group=GROUP, waves=waves, gate=gate, budgets=budgets)
        started_s, id = timed_start(hub, draft)
        ticks = carry(hub, id)
        longest, most = max(ticks), sorted(ticks)[int(0.99 * len(ticks))]
        return figure(
            f"tick: the longest of a whole rollout over {size:,} devices, one lane of {size // 8:,} stores at a time",
            longest,
            TICK_BOUND_S,
            "the bound",
            "s",
            bound=f"< {TICK_BOUND_S} s",
            holds=longest < TICK_BOUND_S and hub.rollouts.rollouts()[0].state is RolloutState.DONE,
            p99_s=round(most, 4),
            ticks=len(ticks),
            virtual_h=round((hub.clock() - 1_800_000_000.0) / 3600, 2),
            start_s=round(started_s, 2),
        )


def carry(hub: World, id: str) -> list[float]:
    """Tick until the rollout ends; whoever is admitted answers before the next tick. The ticks' seconds."""
    ticks, number = list[float](), 1
    while hub.rollouts.rollouts()[0].state is RolloutState.RUNNING:
        began = time.perf_counter()
        looked = hub.rollouts.waves.tick(id, number, 1)
        ticks.append(time.perf_counter() - began)
        number += looked.action == "advance"
        admitted = under_way(hub, id)
        hub.answer(id, admitted)
        hub.clock.now += max(looked.wait_s, TICK_S)
        if hub.clock.now % 600 < TICK_S:
            hub.pass_time(0.0)
    return ticks


def under_way(hub: World, id: str) -> Sequence[str]:
    """The devices that are admitted."""
    of = table.deployment.c
    with hub.db.read() as connection:
        query = sa.select(of.device).where(of.lease_until.is_not(None), of.rollout == id)
        return list(connection.scalars(query))


def figure_of_size(size: int, tick_s: float, scan_s: float) -> bool:
    """The line of one fleet size."""
    name = f"tick: {CHANGED} of {size:,} devices at it have answered"
    holds = tick_s < TICK_BOUND_S
    return figure(name, tick_s, scan_s, SCAN, "s", bound=f"< {TICK_BOUND_S} s", holds=holds)


def timed(act: Callable[[], object]) -> float:
    """Seconds that `act` takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def timed_start(hub: World, draft: RolloutDraft) -> tuple[float, str]:
    """Seconds that planning and starting take, and the rollout's id."""
    began = time.perf_counter()
    record = hub.start(draft)
    return time.perf_counter() - began, record.id
