"""What may be a trigger; everything else is refused by its field, with what would do."""

from __future__ import annotations

import pytest

from edgewright.contract.api import OnAlert, OnCode, OnData, OnRequest, OnTime, TriggerDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.triggers.rules import check_trigger

NOW = 1_772_600_000.0


def draft(**changes) -> TriggerDraft:
    return TriggerDraft(**({"name": "nightly", "model": "digits", "when": OnRequest()} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"when": OnTime(cron="0 3 * * mon-fri", time_zone="Asia/Kolkata")},
        {"when": OnData(labels=200)},
        {"when": OnData(dataset="lines")},
        {"when": OnCode(branches=("main", "release/*"), paths=("train/*",))},
        {"when": OnAlert(segments=("site=*",))},
        {"debounce_s": 0, "cooldown_s": 0, "max_runs": 1, "period_s": 60, "max_concurrent": 1},
        {"quiet_hours": ("00:00-12:00", "mon-sat 12:00-24:00"), "time_zone": "Europe/Berlin"},
    ],
)
def test_a_trigger_within_all_bounds_is_taken(changes):
    check_trigger(draft(**changes), NOW)


@pytest.mark.parametrize(
    ("changes", "field", "hint"),
    [
        ({"name": "No Name"}, "name", "lower-case"),
        ({"model": ""}, "model", "lower-case"),
        ({"debounce_s": -1.0}, "debounce_s", "Choose 0 to 86400"),
        ({"debounce_s": float("nan")}, "debounce_s", "Choose 0 to 86400"),
        ({"cooldown_s": float("inf")}, "cooldown_s", "Choose 0 to"),
        ({"max_runs": 0}, "max_runs", "trigger pause"),
        ({"max_runs": 1001}, "max_runs", "Choose 1 to 1000"),
        ({"period_s": 0.0}, "period_s", "Choose 60 to"),
        ({"max_concurrent": 0}, "max_concurrent", "trigger pause"),
        ({"quiet_hours": ("00:00-24:00",)}, "quiet_hours", "Leave an hour free"),
        ({"quiet_hours": ("00:00-12:00", "12:00-24:00")}, "quiet_hours", "Leave an hour free"),
        ({"quiet_hours": ("sat,sun 00:00-24:00", "mon-fri 00:00-24:00")}, "quiet_hours", "Leave an hour free"),
        ({"quiet_hours": ("always",)}, "quiet_hours", "Write it like"),
        ({"time_zone": "Nowhere"}, "time_zone", "Europe/Berlin"),
        ({"when": OnData()}, "when.labels", "second trigger"),
        ({"when": OnData(labels=5, dataset="lines")}, "when.labels", "second trigger"),
        ({"when": OnData(labels=-5)}, "when.labels", "Choose 1 to"),
        ({"when": OnCode(branches=("",))}, "when.branches", "1 to 200 characters"),
        ({"when": OnCode(paths=("a\nb",))}, "when.paths", "1 to 200 characters"),
        ({"when": OnAlert(segments=("x" * 201,))}, "when.segments", "1 to 200 characters"),
        ({"params": {"train": {"text": "x" * 40_000}}}, "params", "code or data"),
    ],
)
def test_what_cannot_be_a_trigger_is_refused_by_its_field_with_what_would_do(changes, field, hint):
    with pytest.raises(InvalidInput) as refused:
        check_trigger(draft(**changes), NOW)

    assert refused.value.field == field
    assert hint in refused.value.hint
