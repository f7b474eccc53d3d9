"""The order in which devices are asked: who can answer now, who can compare, and of each kind some early. Pure."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Collection, Mapping

LEAST_SILENCE_S = 5.0
Kind = tuple[str, str]
"""The hardware class and the site of a device."""


def canary_order(
    devices: Collection[str],
    reachable: Collection[str],
    running: Collection[str],
    seed: str,
    kinds: Mapping[str, Kind] | None = None,
) -> list[str]:
    """The order in which devices are asked.

    First those that can answer now, of those first the ones that run the model already (a candidate needs it for its
    shadow). Within each of these the hardware classes take turns, so that a first wave of as many devices as there
    are classes sees every class, and within a class the sites do. Else `seed` shuffles, always alike.
    """
    can_answer, can_compare, kinds = set(reachable), set(running), kinds or {}
    ranks = {device: (device not in can_answer, device not in can_compare) for device in devices}
    shuffled = sorted(devices, key=lambda device: hashlib.sha256(f"{seed}:{device}".encode()).digest())
    turns = _turns(shuffled, {device: (*ranks[device], *kinds.get(device, _NO_KIND)) for device in devices})
    by_site = sorted(shuffled, key=turns.__getitem__)
    turns = _turns(by_site, {device: (*ranks[device], kinds.get(device, _NO_KIND)[0]) for device in devices})
    return sorted(by_site, key=lambda device: (*ranks[device], turns[device]))


def reachable(seen_at: Mapping[str, float | None], patience_s: float, now: float) -> set[str]:
    """Which devices make good canaries: heard of lately, as their group goes.

    A device that has been silent three times as long as the median of its group has probably just gone away, even
    if the gate's patience with it has not ended.
    """
    ages = {device: now - at for device, at in seen_at.items() if at is not None}
    if not ages:
        return set()
    limit_s = min(patience_s, max(LEAST_SILENCE_S, 3 * statistics.median(ages.values())))
    return {device for device, age in ages.items() if age <= limit_s}


_NO_KIND: Kind = ("", "")


def _turns(devices: Collection[str], groups: Mapping[str, tuple[object, ...]]) -> dict[str, int]:
    """How many devices of its own group stand before each device."""
    before: Counter[tuple[object, ...]] = Counter()
    turns = {}
    for device in devices:
        turns[device] = before[groups[device]]
        before[groups[device]] += 1
    return turns
