"""The order in which devices are asked: who can answer now, who can compare, and of each kind some early. Pure."""

from __future__ import annotations

import hashlib
import itertools
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from edgewright.hub.rollout.gates import silence_s

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
    stem = hashlib.sha256(f"{seed}:".encode())
    groups = [defaultdict[str, dict[str, list[str]]](lambda: defaultdict(list)) for _ in range(4)]
    for device in sorted(devices, key=lambda device: _digest(stem, device)):
        rank = (device not in can_answer) * 2 + (device not in can_compare)
        hardware, site = kinds.get(device, _NO_KIND)
        groups[rank][hardware][site].append(device)
    ordered = ([_in_turns(sites.values()) for sites in classes.values()] for classes in groups)
    return [device for classes in ordered for device in _in_turns(classes)]


def reachable(
    seen_at: Mapping[str, float | None],
    patience_s: float,
    now: float,
    poll_s: Mapping[str, float | None] | None = None,
) -> set[str]:
    """Which devices make good canaries: heard of lately, as their group goes. `poll_s` is what they were told.

    A device that has been silent three times as long as the median of its group has probably just gone away, even
    if it is not away yet.
    """
    ages = {device: now - at for device, at in seen_at.items() if at is not None}
    if not ages:
        return set()
    usual_s, polls = max(LEAST_SILENCE_S, 3 * statistics.median(ages.values())), poll_s or {}
    return {device for device, age in ages.items() if age <= min(usual_s, silence_s(patience_s, polls.get(device)))}


_NO_KIND: Kind = ("", "")


def _in_turns(lists: Iterable[list[str]]) -> list[str]:
    """The first of each list, then the second of each that has one, and so on."""
    turns: list[list[str]] = []
    for one in lists:
        turns.extend([] for _ in range(len(one) - len(turns)))
        for turn, device in zip(turns, one, strict=False):
            turn.append(device)
    return list(itertools.chain.from_iterable(turns))


def _digest(stem: hashlib._Hash, device: str) -> bytes:
    own = stem.copy()
    own.update(device.encode())
    return own.digest()
