"""Drafts that no rollout can follow are refused, with the field and the way out."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import (
    Budget,
    GateDraft,
    GateRule,
    RolloutDraft,
    ScheduleDraft,
    SiteCap,
    WaveDraft,
)
from edgewright.contract.errors import InvalidInput
from edgewright.hub.rollout.planning import check_draft

NOW = 1_800_000_000.0
YEAR_S = 366 * 86_400.0
FINE = RolloutDraft(
    release="digits/1",
    group="lanes",
    waves=(1, WaveDraft(selector="site=berlin", soak_s=3600.0), WaveDraft(percent=25, needs_promotion=True)),
    schedule=ScheduleDraft(start_at=NOW + 60.0, windows=("mon-fri 22:00-05:00",), max_defer_s=3600.0),
    budgets=(Budget(per="site", max_unavailable=1),),
    caps=(SiteCap(per="site", bytes_s=1e6),),
)


def test_a_draft_with_all_its_parts_is_fine():
    check_draft(FINE, NOW)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"release": "digits"}, "release"),
        ({"waves": ()}, "waves"),
        ({"waves": tuple(range(1, 102))}, "waves"),
        ({"waves": (3, 2)}, "waves"),
        ({"waves": (WaveDraft(percent=5), WaveDraft(percent=5))}, "waves"),
        ({"waves": (1, WaveDraft())}, "waves.2"),
        ({"waves": (WaveDraft(count=1, percent=5),)}, "waves.1"),
        ({"waves": (WaveDraft(percent=101),)}, "waves.1"),
        ({"waves": (WaveDraft(selector="site==,"),)}, "waves.1"),
        ({"waves": (WaveDraft(count=1, soak_s=-1),)}, "waves.1.soak_s"),
        ({"waves": (1, WaveDraft(count=2, gate=GateDraft(patience_s=0)))}, "waves.2.gate.patience_s"),
        ({"gate": GateDraft(rules=(GateRule(metric="luck"),))}, "gate.rules"),
        ({"schedule": ScheduleDraft(windows=("22-5",))}, "schedule.windows"),
        ({"schedule": ScheduleDraft(windows=("22:00-22:00",))}, "schedule.windows"),
        ({"schedule": ScheduleDraft(windows=("mon 01:00-02:00",) * 17)}, "schedule.windows"),
        ({"schedule": ScheduleDraft(start_at=NOW + 2 * YEAR_S)}, "schedule.start_at"),
        ({"schedule": ScheduleDraft(start_at=float("nan"))}, "schedule.start_at"),
        ({"schedule": ScheduleDraft(max_defer_s=-1)}, "schedule.max_defer_s"),
        ({"budgets": (Budget(per="site", max_unavailable=0),)}, "budgets.1.max_unavailable"),
        ({"budgets": (Budget(per=" ", max_unavailable=1),)}, "budgets.1.per"),
        ({"budgets": (Budget(per="site", max_unavailable=1),) * 2}, "budgets"),
        ({"caps": (SiteCap(per="site"),)}, "caps.1"),
        ({"caps": (SiteCap(per="site", max_at_once=-1),)}, "caps.1"),
        ({"caps": (SiteCap(per="", max_at_once=1),)}, "caps.1.per"),
        ({"emergency": "  "}, "emergency"),
        ({"emergency": "x" * 501}, "emergency"),
    ],
)
def test_a_draft_that_cannot_be_followed_is_refused_by_field(change, field):
    with pytest.raises(InvalidInput) as caught:
        check_draft(msgspec.structs.replace(FINE, **change), NOW)

    assert caught.value.field == field
