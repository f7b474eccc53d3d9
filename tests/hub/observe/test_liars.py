"""One device in twenty that lies can neither raise nor hide a version's alarm, nor halt or promote a rollout."""

from __future__ import annotations

import pytest

from edgewright.contract.api import AlertLevel, GateDraft, GateRule, GateState
from edgewright.hub.observe.alerts import Wanted
from edgewright.hub.observe.segments import table
from edgewright.hub.rollout.gates import Evidence, judge

pytestmark = pytest.mark.e2e  # each sends some hundreds of batches

HONEST = [f"d{number:02}" for number in range(38)]
LIARS = ["liar-1", "liar-2"]
VERSION = Wanted(levels=(AlertLevel.VERSION, AlertLevel.COHORT))


def hours(line, count: int, honest: float, lie: float, windows: int = 4, rows: int = 3000) -> None:
    """Every honest device sends a window of 60 rows a quarter of an hour, each liar several of many rows."""
    for _ in range(4 * count):
        line.now += 900
        for device in HONEST:
            line.send(device, line.window(shift=honest))
        for device in LIARS:
            line.send(device, *(line.window(shift=lie, rows=rows) for _ in range(windows)))
        line.observe.detect("press", 1)


def verdict(line) -> GateState:
    """What a gate with the rule 'drift' says of the version."""
    with line.db.read() as connection:
        drift = line.observe.drift(connection, "press", 1)
    gate = GateDraft(rules=(GateRule(metric="drift", limit=0.1),))
    (found,) = [one for one in judge(gate, Evidence(drift=drift), line.now) if one.metric == "drift"]
    return found.state


def test_liars_raise_no_alarm_and_halt_nothing(line):
    line.sites = {device: "ab"[place % 2] for place, device in enumerate(HONEST + LIARS)}

    hours(line, 3, honest=0.0, lie=4.0)

    assert line.alerts.chosen(VERSION) == []
    assert verdict(line) is GateState.PASSED


@pytest.mark.parametrize("lie", [0.0, -1.5])
def test_liars_hide_no_drift_and_promote_nothing(line, lie):
    hours(line, 3, honest=1.5, lie=lie)

    assert [alert.level for alert in line.alerts.chosen(VERSION)] == [AlertLevel.VERSION]
    assert verdict(line) is GateState.FAILED


def test_what_a_liar_adds_in_an_hour_is_bounded_whatever_it_claims(line):
    hours(line, 2, honest=0.0, lie=4.0, windows=2, rows=50_000)

    with line.db.read() as connection:
        added = table.shares(connection, "press", 1, [*HONEST, *LIARS])
    assert max(added[device]["added"] for device in LIARS) <= 2.01 * 4 * 60
    assert added["liar-1"]["claimed"] >= 100_000
