"""What a draft of a rollout must say to be planned at all: every refusal names its field and the way out. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from edgewright.contract import windows
from edgewright.contract.api import Budget, GateDraft, RolloutDraft, ScheduleDraft, SiteCap
from edgewright.contract.errors import InvalidInput
from edgewright.contract.order import MAX_WAIT_S, MAX_WINDOWS
from edgewright.hub.fleet import DeviceFacts
from edgewright.hub.rollout.gates import check_gate
from edgewright.hub.rollout.model import parse_release
from edgewright.hub.rollout.planning.waves import check_waves, wave_drafts

DAY_S = 86_400.0
MAX_AHEAD_S = 366 * DAY_S
MAX_SOAK_S = 90 * DAY_S
MAX_RULES = 8
MAX_REASON_CHARS = 500


def check_draft(draft: RolloutDraft, now: float) -> None:
    """Raise InvalidInput, naming the field and the fix, unless a rollout could be so; `now` is the hub's clock.

    What depends on the devices is checked as the plan is made.
    """
    parse_release(draft.release)
    check_waves(draft.waves)
    _check_soaks_and_gates(draft)
    _check_schedule(draft.schedule, now)
    for number, budget in enumerate(draft.budgets, 1):
        _check_budget(budget, f"budgets.{number}")
    for number, cap in enumerate(draft.caps, 1):
        _check_cap(cap, f"caps.{number}")
    _check_once([budget.per for budget in draft.budgets], "budgets")
    _check_once([cap.per for cap in draft.caps], "caps")
    if draft.emergency and not draft.emergency.strip():
        raise InvalidInput(
            "an emergency needs its reason", field="emergency", hint="Say why nobody can wait: the audit log keeps it."
        )
    if len(draft.emergency) > MAX_REASON_CHARS:
        raise InvalidInput(f"a reason has at most {MAX_REASON_CHARS} characters", field="emergency")


def check_labels(draft: RolloutDraft, devices: Sequence[DeviceFacts]) -> None:
    """Raise InvalidInput where no device has the label by which a budget or a cap tells sites apart."""
    wanted = [(f"budgets.{number}.per", budget.per) for number, budget in enumerate(draft.budgets, 1)]
    wanted += [(f"caps.{number}.per", cap.per) for number, cap in enumerate(draft.caps, 1)]
    for field, label in wanted:
        if not any(label in device.labels for device in devices):
            known = sorted({name for device in devices for name in device.labels})
            hint = f"Their labels are {', '.join(known[:20])}." if known else "Its devices have no labels yet."
            raise InvalidInput(f"no device of the group '{draft.group}' has a label '{label}'", field=field, hint=hint)


def is_zone(name: str) -> bool:
    """Whether that time zone is known; '' is the hub's own."""
    try:
        windows.zone(name)
    except InvalidInput:
        return False
    return True


def _check_soaks_and_gates(draft: RolloutDraft) -> None:
    check_gate(draft.gate)
    for number, wave in enumerate(wave_drafts(draft.waves), 1):
        if not 0 <= wave.soak_s <= MAX_SOAK_S:
            hint = f"Choose 0 to {MAX_SOAK_S:.0f} seconds (90 days)."
            raise InvalidInput(f"wave {number} soaks for {wave.soak_s:g} s", field=f"waves.{number}.soak_s", hint=hint)
        if wave.gate is not None:
            _check_wave_gate(wave.gate, number)


def _check_wave_gate(gate: GateDraft, number: int) -> None:
    try:
        check_gate(gate)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"waves.{number}.{error.field}", hint=error.hint) from error


def _check_schedule(schedule: ScheduleDraft, now: float) -> None:
    if len(schedule.windows) > MAX_WINDOWS:
        raise InvalidInput(f"a schedule has at most {MAX_WINDOWS} windows", field="schedule.windows")
    for text in schedule.windows:
        window = windows.parse(text, "schedule.windows")
        if window.begin == window.end:
            hint = "Give it an end; 00:00-24:00 is the whole day."
            raise InvalidInput(f"'{text}' ends as it begins: it never opens", field="schedule.windows", hint=hint)
    start_at = schedule.start_at
    if start_at is not None and not (math.isfinite(start_at) and 0 <= start_at <= now + MAX_AHEAD_S):
        hint = "Give seconds since the epoch, at most a year ahead."
        raise InvalidInput("it would begin more than a year from now", field="schedule.start_at", hint=hint)
    if not 0 <= schedule.max_defer_s <= MAX_WAIT_S:
        hint = f"Choose 0 (not at all) to {MAX_WAIT_S:.0f} seconds."
        raise InvalidInput(
            f"a device cannot put an install off for {schedule.max_defer_s:g} s",
            field="schedule.max_defer_s",
            hint=hint,
        )


def _check_budget(budget: Budget, field: str) -> None:
    if not budget.per.strip():
        raise InvalidInput("a budget counts devices by a label", field=f"{field}.per", hint="Name one: per=site.")
    if budget.max_unavailable < 1:
        raise InvalidInput(
            f"with {budget.max_unavailable} devices at a time nothing could ever begin",
            field=f"{field}.max_unavailable",
            hint="Choose 1 or more; without a budget any number may be under way.",
        )


def _check_cap(cap: SiteCap, field: str) -> None:
    if not cap.per.strip():
        raise InvalidInput("a cap tells sites apart by a label", field=f"{field}.per", hint="Name one: per=site.")
    if cap.max_at_once < 0 or not 0 <= cap.bytes_s < math.inf or not (cap.max_at_once or cap.bytes_s):
        raise InvalidInput(
            f"the cap per {cap.per} is {cap.max_at_once} at once and {cap.bytes_s:g} bytes per second",
            field=field,
            hint="Give at least one of max_at_once and bytes_s, above 0.",
        )


def _check_once(labels: Sequence[str], field: str) -> None:
    if len(labels) > MAX_RULES:
        raise InvalidInput(f"a rollout has at most {MAX_RULES} {field}", field=field)
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise InvalidInput(f"'{twice[0]}' stands twice among the {field}", field=field, hint="Give each label once.")
