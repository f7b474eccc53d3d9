"""What a tick of a wave costs: with as many changes in fleets of a hundredfold size, and through a whole rollout.

The peer is the tick that this one replaced: it reads every deployment of the wave and when each device was last heard
of, and counts. hawkBit's scheduler looks at its rollouts in the same manner (its issue #983: three minutes for
1.2 million targets). Both run on the same tables, in the same state, one after the other. Times are CPU seconds of the
whole tick with its transaction (`wall_s` beside them: equal where the machine has nothing else to do); left out are
check-ins over HTTP, signing, and the worker that calls ticks (DBOS).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import sqlalchemy as sa
from agents.figures import figure
from databases import Fresh

from edgewright.contract.api import Budget, GateDraft, RolloutDraft, RolloutState, WaveDraft
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import DeviceFacts, WaveFacts, decide, health
from edgewright.hub.rollout.model import DeploymentState
from rollouts.hub import GROUP, MODEL, World, world

T = TypeVar("T")
TICK_BOUND_S = 0.2
CHANGED = 50
LOOKS = 15
TICK_S = 2.0
PATIENCE_S = 3600.0
SCAN = "every deployment of the wave read and counted"


def main(is_quick: bool, fresh: Fresh) -> int:
    """Print the figures; 1 if a bound does not hold."""
    sizes = (1_000, 10_000) if is_quick else (1_000, 10_000, 100_000)
    by_size = [at_size(size, fresh) for size in sizes]
    holds = [figure_of_size(size, *costs) for size, costs in zip(sizes, by_size, strict=True)]
    growth, scan_growth = (by_size[-1][which].cpu_s / by_size[0][which].cpu_s for which in (0, 1))
    name = f"tick: cost at {sizes[-1]:,} devices over that at {sizes[0]:,}, {CHANGED} changes"
    bound = f"<= 2 (the wave grows {sizes[-1] // sizes[0]}-fold)"
    holds.append(figure(name, growth, scan_growth, SCAN, "times", bound=bound, holds=growth <= 2))
    holds.append(whole(2_000 if is_quick else sizes[-1], fresh))
    return 0 if all(holds) else 1


def at_size(size: int, fresh: Fresh) -> tuple[Took, Took]:
    """The median tick and the median scan, where `CHANGED` devices answer between looks."""
    with world(size, fresh) as hub:
        gate = GateDraft(patience_s=PATIENCE_S)
        id = hub.start(RolloutDraft(release=f"{MODEL}/1", group=GROUP, waves=(size,), gate=gate)).id
        while hub.rollouts.waves.tick(id, 1, 1).wait_s == 0:
            pass
        ticks, scans = list[Took](), list[Took]()
        for look in range(LOOKS):
            hub.answer(id, hub.devices[look * CHANGED : (look + 1) * CHANGED])
            hub.clock.now += TICK_S
            ticks.append(timed(lambda: hub.rollouts.waves.tick(id, 1, 1))[1])
            scans.append(timed(lambda: scan(hub, id, gate))[1])
        return median(ticks), median(scans)


def scan(hub: World, rollout: str, gate: GateDraft) -> None:
    """Decide as the former tick did: by looking at every device of the wave."""
    of = table.deployment.c
    with hub.db.write() as connection:
        rows = connection.execute(sa.select(of.device, of.state).where(of.rollout == rollout, of.wave == 1)).all()
        seen = hub.fleet.seen([row.device for row in rows])
        devices = tuple(DeviceFacts(DeploymentState(row.state), seen[row.device].at) for row in rows)
        decide(health(WaveFacts(devices), gate, hub.clock()), gate)


def whole(size: int, fresh: Fresh) -> bool:
    """A rollout over the fleet in four waves, one lane of each store at a time; the longest and the 99th tick."""
    with world(size, fresh) as hub:
        waves = tuple(WaveDraft(percent=share) for share in (0.1, 1.0, 10.0, 100.0))
        budgets = (Budget(per="site", max_unavailable=1),)
        gate = GateDraft(patience_s=PATIENCE_S)
        draft = RolloutDraft(release=f"{MODEL}/1", group=GROUP, waves=waves, gate=gate, budgets=budgets)
        record, start = timed(lambda: hub.start(draft))
        ticks = sorted(carry(hub, record.id))
        longest, most = ticks[-1].cpu_s, ticks[int(0.99 * len(ticks))].cpu_s
        return figure(
            f"tick: the longest of a whole rollout over {size:,} devices, one lane of {size // 8:,} stores at a time",
            longest,
            TICK_BOUND_S,
            "the bound",
            "CPU s",
            bound=f"< {TICK_BOUND_S} s",
            holds=longest < TICK_BOUND_S and hub.rollouts.rollouts()[0].state is RolloutState.DONE,
            p99_s=round(most, 4),
            ticks=len(ticks),
            virtual_h=round((hub.clock() - 1_800_000_000.0) / 3600, 2),
            longest_wall_s=round(max(one.wall_s for one in ticks), 4),
            start_s=round(start.cpu_s, 2),
        )


def carry(hub: World, id: str) -> list[Took]:
    """Tick until the rollout ends; whoever is admitted answers before the next tick. What the ticks took."""
    ticks, number, heard_at = list[Took](), 1, hub.clock()
    while hub.rollouts.rollouts()[0].state is RolloutState.RUNNING:
        looked, took = timed(partial(hub.rollouts.waves.tick, id, number, 1))
        ticks.append(took)
        number += looked.action == "advance"
        admitted = under_way(hub, id)
        hub.answer(id, admitted)
        hub.clock.now += max(looked.wait_s, TICK_S)
        if hub.clock() - heard_at > PATIENCE_S / 2:
            hub.hear()
            heard_at = hub.clock()
    return ticks


def under_way(hub: World, id: str) -> Sequence[str]:
    """The devices that are admitted."""
    of = table.deployment.c
    with hub.db.read() as connection:
        query = sa.select(of.device).where(of.lease_until.is_not(None), of.rollout == id)
        return list(connection.scalars(query))


def figure_of_size(size: int, tick: Took, scan: Took) -> bool:
    """The line of one fleet size."""
    name = f"tick: {CHANGED} of {size:,} devices at it have answered"
    bound, wall_s = f"< {TICK_BOUND_S} s", round(tick.wall_s, 4)
    holds = tick.cpu_s < TICK_BOUND_S
    return figure(name, tick.cpu_s, scan.cpu_s, SCAN, "CPU s", bound=bound, holds=holds, wall_s=wall_s)


class Took(NamedTuple):
    """What something took, of this thread's CPU and by the clock."""

    cpu_s: float
    wall_s: float


def timed(act: Callable[[], T]) -> tuple[T, Took]:
    """What `act` gives, and what it took."""
    cpu_s, wall_s = time.thread_time(), time.perf_counter()
    given = act()
    return given, Took(time.thread_time() - cpu_s, time.perf_counter() - wall_s)


def median(took: Sequence[Took]) -> Took:
    """Of each figure."""
    return Took(*(statistics.median(values) for values in zip(*took, strict=True)))
