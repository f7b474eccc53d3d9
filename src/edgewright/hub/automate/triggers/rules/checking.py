"""What a trigger may be: numbers in range, hours that end, a schedule that strikes, patterns that are some. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edgewright.contract import windows
from edgewright.contract.api import OnAlert, OnCode, OnData, OnTime, TriggerDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.triggers.rules.schedule import check_schedule
from edgewright.hub.registry import check_name

DAY_S = 86400.0
MAX_DEBOUNCE_S = DAY_S
MAX_SPAN_S = 366 * DAY_S
MIN_PERIOD_S = 60.0
MAX_RUNS = 1000
MAX_CONCURRENT = 100
MAX_LABELS = 1_000_000
MAX_PATTERNS = 50
MAX_PATTERN_CHARS = 200
MAX_WINDOWS = 50
MAX_PARAMS_BYTES = 32 * 1024


def check_trigger(draft: TriggerDraft, now: float) -> None:
    """Raise InvalidInput unless this can be a trigger; the error names the field and what would do."""
    check_name(draft.name, "name")
    check_name(draft.model, "model")
    _check_limits(draft)
    _check_quiet_hours(draft, now)
    size_bytes = len(msgspec.json.encode(draft.params))
    if size_bytes > MAX_PARAMS_BYTES:
        hint = "Put large values into the pipeline's code or data."
        raise InvalidInput(f"params take {size_bytes} bytes, more than {MAX_PARAMS_BYTES}", field="params", hint=hint)
    match draft.when:
        case OnTime():
            check_schedule(draft.when, now)
        case OnData():
            _check_data(draft.when)
        case OnCode():
            _check_patterns(draft.when.branches, "when.branches")
            _check_patterns(draft.when.paths, "when.paths")
        case OnAlert():
            _check_patterns(draft.when.segments, "when.segments")


def _check_limits(draft: TriggerDraft) -> None:
    numbers = (
        ("debounce_s", draft.debounce_s, 0, MAX_DEBOUNCE_S),
        ("cooldown_s", draft.cooldown_s, 0, MAX_SPAN_S),
        ("max_runs", draft.max_runs, 1, MAX_RUNS),
        ("period_s", draft.period_s, MIN_PERIOD_S, MAX_SPAN_S),
        ("max_concurrent", draft.max_concurrent, 1, MAX_CONCURRENT),
    )
    for name, value, least, most in numbers:
        if not least <= value <= most:
            message, hint = f"{name} is {value:g}", f"Choose {least:g} to {most:g}."
            raise InvalidInput(message, field=name, hint=_hint_at_zero(name, value) or hint)


def _hint_at_zero(name: str, value: float) -> str:
    is_off = value == 0 and name in ("max_runs", "max_concurrent")
    return "Choose 1 or more; `edgewright trigger pause NAME` keeps a trigger from firing." if is_off else ""


def _check_quiet_hours(draft: TriggerDraft, now: float) -> None:
    if len(draft.quiet_hours) > MAX_WINDOWS:
        raise InvalidInput(f"there are more than {MAX_WINDOWS} quiet hours", field="quiet_hours")
    hours = [windows.parse(text, "quiet_hours") for text in draft.quiet_hours]
    if windows.closes_at(hours, now, windows.zone(draft.time_zone)) == math.inf:
        hint = "Leave an hour free; `edgewright trigger pause NAME` keeps a trigger from firing at all."
        raise InvalidInput(f"{', '.join(draft.quiet_hours)} never end", field="quiet_hours", hint=hint)


def _check_data(when: OnData) -> None:
    if bool(when.labels) == bool(when.dataset):
        message = "it watches for new labels, or for snapshots of a dataset: for one of them"
        raise InvalidInput(message, field="when.labels", hint="A second trigger watches for the other.")
    if when.dataset:
        check_name(when.dataset, "when.dataset")
    elif not 1 <= when.labels <= MAX_LABELS:
        raise InvalidInput(f"labels is {when.labels}", field="when.labels", hint=f"Choose 1 to {MAX_LABELS}.")


def _check_patterns(patterns: Sequence[str], field: str) -> None:
    if len(patterns) > MAX_PATTERNS:
        raise InvalidInput(f"there are more than {MAX_PATTERNS} patterns", field=field)
    for pattern in patterns:
        if not 0 < len(pattern) <= MAX_PATTERN_CHARS or not pattern.isprintable():
            hint = f"A pattern has 1 to {MAX_PATTERN_CHARS} characters, like 'release/*'."
            raise InvalidInput(f"'{pattern[:60]}' is no pattern", field=field, hint=hint)
