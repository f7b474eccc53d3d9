"""A fleet that is too large to play is scaled down: whole sites, and waves in proportion. Pure."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from edgewright.contract.api import RolloutDraft, WaveDraft


def choose(site_of: Mapping[str, str], most: int, seed: int) -> list[str]:
    """At most `most` devices, or one whole site if none is smaller; a device without a site stands for itself."""
    if len(site_of) <= most:
        return sorted(site_of)
    sites: dict[str, list[str]] = defaultdict(list)
    for device, site in sorted(site_of.items()):
        sites[site or device].append(device)
    order = sorted(sites)
    random.Random(seed).shuffle(order)  # noqa: S311  a rehearsal is to be repeated
    chosen: list[str] = []
    for site in order:
        if not chosen or len(chosen) + len(sites[site]) <= most:
            chosen += sites[site]
    return sorted(chosen)


def scale_waves(draft: RolloutDraft, share: float) -> RolloutDraft:
    """The rollout for `share` of its devices: counts shrink with them, and still rise from at least 1."""
    if share >= 1:
        return draft
    waves, before = list[int | WaveDraft](), 0
    for wave in _as_drafts(draft.waves):
        if wave.count:
            before = max(before + 1, round(wave.count * share))
            wave = msgspec.structs.replace(wave, count=before)
        waves.append(wave)
    return msgspec.structs.replace(draft, waves=tuple(waves))


def _as_drafts(waves: Sequence[int | WaveDraft]) -> list[WaveDraft]:
    return [WaveDraft(count=wave) if isinstance(wave, int) else wave for wave in waves]
