"""Words and shapes of the dashboard."""

from __future__ import annotations

import pytest

from edgewright.contract.api import Overview, RoleRecord
from edgewright.hub.web.views import Glance, away_after_s, summary
from edgewright.hub.web.wording import Segment, duration, plural, segments, size


@pytest.mark.parametrize(
    ("passed_s", "told"), [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (200_000, "2 d")]
)
def test_a_duration_is_told_in_its_largest_unit(passed_s, told):
    assert duration(passed_s) == told


@pytest.mark.parametrize(("size_bytes", "told"), [(0, "0 B"), (999, "999 B"), (18_300, "18.3 kB"), (2 * 10**9, "2 GB")])
def test_bytes_are_told_in_their_unit(size_bytes, told):
    assert size(size_bytes) == told


def test_a_bar_puts_its_parts_one_after_the_other():
    assert segments(8, [("ok", 4), ("bad", 2)]) == (Segment("ok", 0.0, 50.0), Segment("bad", 50.0, 25.0))


def test_a_bar_of_nothing_is_empty():
    assert segments(0, [("ok", 0)]) == ()


def test_a_device_may_miss_two_polls_before_it_counts_as_away():
    assert away_after_s(1.0) == 15.0
    assert away_after_s(30.0) == 75.0


def test_nouns_follow_their_number():
    assert (plural(1, "entry", "entries"), plural(2000, "device")) == ("1 entry", "2,000 devices")


@pytest.mark.parametrize(("problem", "told"), [("", []), ("expires in 35 days: edgewright keys renew", ["root"])])
def test_keys_are_on_the_page_when_somebody_must_act(problem, told):
    root = RoleRecord(role="root", version=1, threshold=2, keys=(), is_online=False, expires_at=1.0, problem=problem)
    nothing = dict.fromkeys(("devices", "models", "releases", "rollouts", "drift", "runs"), ())
    overview = Overview(at=0.0, hub="", audit_entries=0, roles=(root,), **nothing)

    tiles = summary(Glance(overview, 15.0)).tiles

    assert [tile.value for tile in tiles if tile.label == "Keys"] == told
