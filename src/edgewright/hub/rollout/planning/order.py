"""The order in which devices are asked: who can answer now, who can compare, and of each kind some early. Pure."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Collection, Mapping

LEAST_SILENCE_S = 5.0


def canary_order(
    devices: Collection[str], reachable: Collection[str], running: Collection[str], seed: str
) -> list[str]:
    """The order in which devices are asked: first those that can answer now, of those first the ones that run the
    model already (a candidate needs it for its shadow), else shuffled by `seed`, always alike.
    """
    can_answer, can_compare = set(reachable), set(running)

    def rank(device: str) -> tuple[bool, bool, bytes]:
        return device not in can_answer, device not in can_compare, hashlib.sha256(f"{seed}:{device}".encode()).digest()

    return sorted(devices, key=rank)


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
