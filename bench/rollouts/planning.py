"""What it costs to plan a rollout, and to start one, in fleets of a hundredfold size.

The peer is the least that the former plan did: it read the whole record of every device before it judged the first.
Times are CPU seconds of this thread (`wall_s` beside them). Starting is planning and all rows that a rollout keeps,
committed; left out are deltas, which a run of their own makes.
"""

from __future__ import annotations

from agents.figures import figure
from databases import Fresh

from edgewright.contract.api import Budget, RolloutDraft, WaveDraft
from rollouts.hub import GROUP, MODEL, world
from rollouts.ticks import timed

BOUND_S = 2.0
RECORDS = "whole records of all devices read, as the former plan began"
DRAFT = RolloutDraft(
    release=f"{MODEL}/1",
    group=GROUP,
    waves=(5, WaveDraft(percent=1), WaveDraft(percent=10)),
    budgets=(Budget(per="site", max_unavailable=1),),
)


def main(is_quick: bool, fresh: Fresh) -> int:
    """Print the figures; 1 if a bound does not hold."""
    sizes = (1_000, 10_000) if is_quick else (1_000, 10_000, 100_000)
    holds = [at_size(size, fresh) for size in sizes]
    return 0 if all(holds) else 1


def at_size(size: int, fresh: Fresh) -> bool:
    """The lines of one fleet size."""
    with world(size, fresh) as hub:
        _, plan = timed(lambda: hub.rollouts.planner.plan(DRAFT))
        _, records = timed(hub.fleet.devices)
        _, start = timed(lambda: hub.start(DRAFT))
    holds = plan.cpu_s < BOUND_S
    figure(
        f"a rollout over {size:,} devices: planned",
        plan.cpu_s,
        records.cpu_s,
        RECORDS,
        "CPU s",
        bound=f"< {BOUND_S:.0f} s",
        holds=holds,
        wall_s=round(plan.wall_s, 3),
    )
    figure(
        f"a rollout over {size:,} devices: planned and started",
        start.cpu_s,
        plan.cpu_s,
        "planned alone",
        "CPU s",
        wall_s=round(start.wall_s, 3),
    )
    return holds
