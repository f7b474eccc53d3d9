"""Waves by count, percent and selector: which devices go together, and in which order they are asked. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.api import WaveDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.fleet import Selector

MAX_WAVES = 100


@dataclass(frozen=True)
class PlannedWave:
    """The devices of a wave, in the order in which they are asked, and what was drafted for it."""

    devices: tuple[str, ...]
    draft: WaveDraft


def wave_drafts(waves: Sequence[int | WaveDraft]) -> tuple[WaveDraft, ...]:
    """Each wave as a WaveDraft: a number stands for that count."""
    return tuple(WaveDraft(count=wave) if isinstance(wave, int) else wave for wave in waves)


def check_waves(waves: Sequence[int | WaveDraft]) -> None:
    """Raise InvalidInput unless each wave says one thing, and counts and percentages rise each among themselves."""
    drafts = wave_drafts(waves)
    if not 1 <= len(drafts) <= MAX_WAVES:
        raise InvalidInput(f"{len(drafts)} waves: a rollout has 1 to {MAX_WAVES}", field="waves", hint=_HINT)
    for number, draft in enumerate(drafts, 1):
        _check_one(number, draft)
    counts = [draft.count for draft in drafts if draft.count]
    percents = [draft.percent for draft in drafts if draft.percent]
    for totals in (counts, percents):
        if any(later <= former for former, later in itertools.pairwise(totals)):
            shown = ", ".join(describe(draft) for draft in drafts)
            raise InvalidInput(f"the waves {shown} do not rise", field="waves", hint=_HINT)


def plan_waves(
    devices: Sequence[str], waves: Sequence[int | WaveDraft], selected: Mapping[str, Collection[str]] | None = None
) -> list[PlannedWave]:
    """Cut `devices`, in their order, into waves.

    A count or a percentage (of all `devices`, rounded up) is a total with all waves before: (1, 3, 8) is the first,
    then up to the third, then up to the eighth. A selector takes those of `selected[selector]` that are left. The last
    wave takes in all the rest; waves that would be empty fall away. Raises InvalidInput as `check_waves` does.
    """
    check_waves(waves)
    drafts = wave_drafts(waves)
    left, planned = list(devices), list[PlannedWave]()
    for draft in drafts[:-1]:
        taken = _take(draft, left, len(devices), (selected or {}).get(draft.selector, ()))
        gone = set(taken)
        left = [device for device in left if device not in gone]
        planned.append(PlannedWave(tuple(taken), draft))
    planned.append(PlannedWave(tuple(left), drafts[-1]))
    return [wave for wave in planned if wave.devices]


def selector_models(waves: Sequence[int | WaveDraft]) -> set[str]:
    """The models whose releases the waves' selectors ask for; raises InvalidInput for what is no selector."""
    return {model for draft in wave_drafts(waves) if draft.selector for model in Selector(draft.selector).models}


def describe(draft: WaveDraft) -> str:
    """A wave as people write it: '8', '5%' or 'site=berlin'."""
    return draft.selector or (f"{draft.percent:g}%" if draft.percent else str(draft.count))


def _take(draft: WaveDraft, left: Sequence[str], total: int, selected: Collection[str]) -> list[str]:
    if draft.selector:
        wanted = set(selected)
        return [device for device in left if device in wanted]
    end = draft.count or max(1, math.ceil(draft.percent / 100 * total - 1e-9))
    return list(left[: max(0, end - (total - len(left)))])


def _check_one(number: int, draft: WaveDraft) -> None:
    field = f"waves.{number}"
    given = [name for name in ("count", "percent", "selector") if getattr(draft, name)]
    if len(given) != 1:
        told = " and ".join(given) or "none of count, percent and selector"
        raise InvalidInput(f"wave {number} gives {told}: it must give one", field=field, hint=_HINT)
    if draft.count < 0 or not 0 <= draft.percent <= 100:
        raise InvalidInput(f"wave {number} cannot be {describe(draft)} of the devices", field=field, hint=_HINT)
    if draft.selector:
        _check_selector(draft.selector, field)


def _check_selector(selector: str, field: str) -> None:
    try:
        Selector(selector)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=field, hint=error.hint) from error


_HINT = "Give rising totals of devices (1,3,8), rising percentages (1%,10%,50%) or selectors (site=berlin)."
