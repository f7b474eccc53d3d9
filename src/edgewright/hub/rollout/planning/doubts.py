"""What speaks against a plan that may be started all the same: told before the rollout instead of after it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgewright.contract import windows
from edgewright.contract.api import GateDraft, RolloutDraft, WaveDraft
from edgewright.hub.rollout.gates import COMPARISONS, rules_of
from edgewright.hub.rollout.planning.checks import is_zone
from edgewright.hub.rollout.planning.plan import Plan, spread_label
from edgewright.hub.rollout.planning.waves import describe, wave_drafts

COMMON_FAULT = 0.10
POWER = 0.8
SHORT_WINDOW_MIN = 30
SHORT_SOAK_S = 1800.0
"""Controls are counted by whole quarters of an hour: half an hour holds one, wherever it begins."""


def doubts(draft: RolloutDraft, plan: Plan, now: float) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    return (*_of_waves(draft, plan), *_of_soaks(draft, plan), *_of_schedule(draft, plan, now), *_of_sites(draft, plan))


def power(devices: int, share: float) -> float:
    """The chance that a fault which befalls that share of devices shows on at least one of so many (binomial)."""
    return float(1.0 - (1.0 - share) ** devices)


def _of_waves(draft: RolloutDraft, plan: Plan) -> Iterator[str]:
    total = sum(len(wave.devices) for wave in plan.waves)
    early = total - len(plan.waves[-1].devices)
    if draft.emergency:
        yield f"an emergency: all {total} devices go at once, without waves, soaks, windows and budgets"
    elif len(plan.waves) == 1 and total > 1:
        yield f"all {total} devices go at once: nothing is learnt from a few of them before"
    elif early and power(early, COMMON_FAULT) < POWER:
        yield (
            f"the waves before the last have {early} devices: a fault that befalls one device in ten"
            f" shows there with a chance of {power(early, COMMON_FAULT):.0%} only"
        )
    if not draft.emergency:
        kept = [wave.draft for wave in plan.waves]
        for drafted in wave_drafts(draft.waves):
            if drafted not in kept:
                yield f"the wave {describe(drafted)} falls away: no device is left for it"
    late = {device.machine.hardware for id, device in plan.devices.items() if id in plan.offers}
    for wave in plan.waves[:-1]:
        late -= {plan.devices[device].machine.hardware for device in wave.devices}
    if late and len(plan.waves) > 1:
        yield f"the waves before the last see no {' and no '.join(sorted(late))}"


def _of_soaks(draft: RolloutDraft, plan: Plan) -> Iterator[str]:
    """Whether canaries serve beside controls for long enough to be compared: the last wave leaves no controls."""
    longest_s = max((_watched_s(wave.draft, draft.gate) for wave in plan.waves[:-1]), default=math.inf)
    if longest_s <= 0:
        yield (
            "no wave soaks: what canaries answer is not compared with controls;"
            " --soak 4h has each wave but the last watched for so long"
        )
    elif longest_s < SHORT_SOAK_S:
        yield (
            "no wave soaks for half an hour: what canaries answer is hardly compared with controls,"
            " which are counted by whole quarters of an hour"
        )


def _watched_s(wave: WaveDraft, gate: GateDraft) -> float:
    """How long a wave serves before the next begins: its soak, a comparison that waits, or until a person says so."""
    if wave.needs_promotion:
        return math.inf
    waits = [rule.wait_s or 0.0 for rule in rules_of(wave.gate or gate) if rule.metric in COMPARISONS]
    return max([wave.soak_s, *waits])


def _of_schedule(draft: RolloutDraft, plan: Plan, now: float) -> Iterator[str]:
    if draft.schedule.start_at is not None and draft.schedule.start_at < now:
        yield "its start lies in the past: it begins at once"
    if draft.emergency or not draft.schedule.windows:
        return
    for text in draft.schedule.windows:
        window = windows.parse(text)
        if (window.end - window.begin) % (24 * 60) < SHORT_WINDOW_MIN:
            yield f"the window '{text}' is shorter than {SHORT_WINDOW_MIN} minutes: slow devices will not be done in it"
    zones = [plan.devices[id].time_zone for id in plan.offers]
    if untold := sum(not name for name in zones):
        yield f"{untold} devices tell no time zone: windows count in UTC there"
    for name in sorted({name for name in zones if not is_zone(name)}):
        devices = [id for id in plan.offers if plan.devices[id].time_zone == name]
        yield (
            f"the time zone '{name[:60]}' is not known here: windows count in UTC for"
            f" {len(devices)} devices ({', '.join(sorted(devices)[:3])})"
        )


def _of_sites(draft: RolloutDraft, plan: Plan) -> Iterator[str]:
    label = spread_label(draft)
    if (draft.budgets or draft.caps) and not draft.emergency:
        without = sum(label not in plan.devices[id].labels for id in plan.offers)
        if without:
            yield f"{without} devices have no label '{label}': budgets and caps take them for one site"
    if unheard := sum(plan.devices[id].seen_at is None for id in plan.offers):
        yield f"{unheard} devices have never been heard of"
    if plan.waves[-1].draft.needs_promotion and not draft.emergency:
        yield "the last wave needs no promotion: nothing comes after it"
