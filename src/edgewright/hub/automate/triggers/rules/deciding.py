"""What a trigger does with an occasion: the table of its rules, and the one function that asks them."""

from __future__ import annotations

import functools
from collections.abc import Callable

from edgewright.contract import windows
from edgewright.contract.api import OccasionState, TriggerDraft
from edgewright.hub.automate.triggers.model import Decision, Occasion, Standing, clock_time, join, spoken
from edgewright.hub.automate.triggers.rules.conditions import mismatch

LOOK_AGAIN_S = 300.0
"""When an occasion that waits for the end of a run is looked at again, at the latest: runs' ends are news as well."""
MAX_DEBOUNCES = 10
"""Occasions that never cease hold a run up for so many debounces, and no longer."""

Refusal = Callable[[TriggerDraft, Occasion, Standing, float], str]
Hold = Callable[[TriggerDraft, Occasion, Standing, float], tuple[float, str]]
"""Until when something holds a run up, and why; a moment that has passed stands for nothing."""


def decide(trigger: TriggerDraft, occasion: Occasion, state: Standing, now: float) -> Decision:
    """Fire, wait or leave it: the first refusal that stands, else the longest hold, else a run. No I/O.

    Asked again at the moment that it names, it decides anew; docs/reference/triggers.md has the rules as a table.
    """
    for refusal in REFUSALS:
        if why := refusal(trigger, occasion, state, now):
            return Decision(OccasionState.NOT_FIRED, why)
    until, why = max(hold(trigger, occasion, state, now) for hold in HOLDS)
    if until > now:
        return Decision(OccasionState.WAITING, why, until)
    count = len(_in_period(trigger, state, now)) + 1
    return Decision(OccasionState.FIRED, f"run {count} of at most {trigger.max_runs}")


def meet(
    trigger: TriggerDraft, waiting: Occasion | None, occasion: Occasion, state: Standing, now: float
) -> tuple[Decision, Occasion]:
    """Decide on a new occasion, and say what stands for it: itself together with the one that waits, unless refused."""
    together = join(waiting, occasion) if waiting else occasion
    decision = decide(trigger, together, state, now)
    return decision, occasion if decision.state is OccasionState.NOT_FIRED else together


def _paused(_trigger: TriggerDraft, _occasion: Occasion, state: Standing, _now: float) -> str:
    return "the trigger is paused" if state.is_paused else ""


def _unwanted(trigger: TriggerDraft, occasion: Occasion, _state: Standing, _now: float) -> str:
    return mismatch(trigger.when, occasion.facts)


def _over(_trigger: TriggerDraft, _occasion: Occasion, state: Standing, _now: float) -> str:
    return state.over


def _spent(trigger: TriggerDraft, _occasion: Occasion, state: Standing, now: float) -> str:
    fired = _in_period(trigger, state, now)
    if len(fired) < trigger.max_runs:
        return ""
    free_at = fired[-trigger.max_runs] + trigger.period_s
    return (
        f"the budget of {trigger.max_runs} runs in {spoken(trigger.period_s)} is spent; "
        f"the next run is free at {clock_time(free_at)}"
    )


def _debounced(trigger: TriggerDraft, occasion: Occasion, _state: Standing, _now: float) -> tuple[float, str]:
    quiet_at = min(occasion.at + trigger.debounce_s, occasion.since + MAX_DEBOUNCES * trigger.debounce_s)
    return quiet_at, f"more may come: it waits until nothing has for {spoken(trigger.debounce_s)}"


def _quiet(trigger: TriggerDraft, _occasion: Occasion, _state: Standing, now: float) -> tuple[float, str]:
    until = windows.closes_at(_hours(trigger.quiet_hours), now, windows.zone(trigger.time_zone))
    return until, f"quiet hours last until {clock_time(until)}"


def _cooling(trigger: TriggerDraft, _occasion: Occasion, state: Standing, now: float) -> tuple[float, str]:
    until = state.fired[-1] + trigger.cooldown_s if state.fired else now
    return until, f"cooling down: {spoken(until - now)} are left of {spoken(trigger.cooldown_s)}"


def _busy(trigger: TriggerDraft, _occasion: Occasion, state: Standing, now: float) -> tuple[float, str]:
    if len(state.active) < trigger.max_concurrent:
        return now, ""
    return now + LOOK_AGAIN_S, f"{state.active[0]} is still at work on {trigger.model}"


@functools.lru_cache(maxsize=1024)
def _hours(texts: tuple[str, ...]) -> tuple[windows.Window, ...]:
    return tuple(windows.parse(text) for text in texts)


def _in_period(trigger: TriggerDraft, state: Standing, now: float) -> list[float]:
    return [at for at in state.fired if at > now - trigger.period_s]


REFUSALS: tuple[Refusal, ...] = (_paused, _unwanted, _over, _spent)
HOLDS: tuple[Hold, ...] = (_debounced, _quiet, _cooling, _busy)
