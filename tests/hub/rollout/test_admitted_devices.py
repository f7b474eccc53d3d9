"""Who may begin: windows, budgets, caps; by rows, and over whole campaigns in which leases end and devices vanish."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract import windows
from edgewright.contract.api import Budget, SiteCap
from edgewright.hub.rollout.running.admission import (
    LINE_BURST_S,
    Candidate,
    Chosen,
    Site,
    Terms,
    admit,
    lease_s,
    lines_of,
    opens_at,
)

NOON = 1_800_014_400.0  # 2027-01-15 12:00 UTC, a Friday
ONE_LANE = Terms(budgets=(Budget(per="site", max_unavailable=1),))


def lane(number: int, site: str = "berlin", **facts) -> Candidate:
    return Candidate(number=number, device=f"d{number}", rollout="r", labels={"site": site}, **facts)


def asked(*candidates: Candidate, terms: Terms = ONE_LANE, lines=None, **sites: Site) -> Chosen:
    known = {f"site={name}": site for name, site in sites.items()}
    return admit(candidates, known, {"r": terms}, NOON, lines or lines_of(terms.caps))


def test_one_lane_of_each_store_begins_and_the_others_wait_for_its_place():
    chosen = asked(lane(1), lane(2), lane(3, "paris"))

    assert [one.candidate.number for one in chosen.admitted] == [1, 3]
    assert [(one.candidate.number, one.blocked_on) for one in chosen.later] == [(2, "site=berlin")]
    assert chosen.admitted[0].lease_until == NOON + lease_s(0)


def test_a_lane_that_is_down_already_uses_up_the_budget_and_may_itself_begin():
    berlin = Site(unavailable=frozenset({"d2"}))

    chosen = asked(lane(1), lane(2), berlin=berlin)

    assert [one.candidate.number for one in chosen.admitted] == [2]
    assert "1 of site=berlin are unavailable, 1 may" in chosen.later[0].reason


def test_what_other_rollouts_have_under_way_counts():
    chosen = asked(lane(1), berlin=Site(frozenset({"d9"}), under_way=1))

    assert chosen.admitted == ()


def test_devices_without_the_label_are_one_site():
    bare = [Candidate(number=n, device=f"d{n}", rollout="r", labels={}) for n in (1, 2)]

    assert len(asked(*bare).admitted) == 1


def test_a_window_is_open_in_the_devices_own_time_zone():
    night = Terms(windows=(windows.parse("22:00-05:00"),))

    chosen = asked(lane(1, time_zone="Europe/Berlin"), lane(2, time_zone="Asia/Tokyo"), lane(3), terms=night)

    assert [one.candidate.number for one in chosen.admitted] == []
    waits = {one.candidate.number: one for one in chosen.later}
    assert (waits[1].due_at - NOON, waits[2].due_at - NOON, waits[3].due_at - NOON) == (9 * 3600, 3600, 10 * 3600)
    assert "UTC" in waits[3].reason


def test_a_zone_that_the_hub_does_not_know_is_taken_for_utc():
    assert opens_at((windows.parse("13:00-14:00"),), "Mars/Olympus", NOON) == NOON + 3600


def test_a_held_and_a_silent_device_wait_and_take_no_place():
    chosen = asked(lane(1, held="pinned"), lane(2, is_away=True), lane(3))

    assert [one.candidate.number for one in chosen.admitted] == [3]
    assert [one.due_at is None for one in chosen.later] == [False, True]


def test_a_cap_bounds_how_many_are_at_it_at_once():
    capped = Terms(caps=(SiteCap(per="site", max_at_once=2),))

    chosen = asked(lane(1), lane(2), lane(3), terms=capped)

    assert len(chosen.admitted) == 2


def test_a_line_is_a_token_bucket():
    slow = Terms(caps=(SiteCap(per="site", bytes_s=1000.0),))
    half_a_burst = int(1000 * LINE_BURST_S / 2)

    chosen = asked(*(lane(n, sent_bytes=half_a_burst) for n in range(1, 6)), terms=slow)

    assert [one.candidate.number for one in chosen.admitted] == [1, 2, 3]
    assert chosen.free_at == {"site=berlin": NOON + 1.5 * LINE_BURST_S}
    assert {one.due_at for one in chosen.later} == {NOON + 0.5 * LINE_BURST_S}


def test_the_line_of_a_site_is_one_whoever_has_capped_it():
    lines = {"site": 1000.0}
    whole_burst = int(1000 * LINE_BURST_S) + 1

    chosen = asked(*(lane(n, sent_bytes=whole_burst) for n in (1, 2)), terms=Terms(), lines=lines)

    assert [one.candidate.number for one in chosen.admitted] == [1]
    assert [(one.candidate.number, one.reason) for one in chosen.later] == [(2, "the line of site=berlin is taken")]


def test_an_emergency_does_not_wait_for_a_line_and_takes_it_from_others():
    lines = {"site": 1000.0}
    whole_burst = int(1000 * LINE_BURST_S) + 1

    chosen = asked(*(lane(n, sent_bytes=whole_burst) for n in (1, 2)), terms=Terms(is_emergency=True), lines=lines)

    assert [one.candidate.number for one in chosen.admitted] == [1, 2]
    assert chosen.free_at["site=berlin"] > NOON + 2 * LINE_BURST_S


def test_of_two_caps_on_a_line_the_lower_one_holds():
    assert lines_of([SiteCap(per="site", bytes_s=9.0), SiteCap(per="site", bytes_s=4.0), SiteCap(per="rack")]) == {
        "site": 4.0
    }


def test_a_device_that_two_rollouts_reach_takes_one_place_in_a_budget():
    two = [lane(1), Candidate(number=2, device="d1", rollout="s", labels={"site": "berlin"})]

    chosen = admit(two, {}, {"r": ONE_LANE, "s": ONE_LANE}, NOON)

    assert len(chosen.admitted) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=25),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.sets(st.integers(0, 24), max_size=6),
)
def test_no_budget_is_ever_exceeded_and_everybody_is_served_in_the_end(parts, most, silent):
    """Each part: which rollout, which site, which device of it. Silent ones never answer: their leases must end."""
    terms = {name: Terms(budgets=(Budget(per="site", max_unavailable=m),)) for name, m in zip("rs", most, strict=True)}
    waiting = [
        Candidate(number=n, device=f"{site}-{device}", rollout="rs"[which], labels={"site": str(site)})
        for n, (which, site, device) in enumerate(parts)
    ]
    under_way, tries, now = dict[int, tuple[Candidate, float]](), defaultdict[int, int](int), 0.0

    while waiting and now < 1e7:
        under_way = {n: (one, until) for n, (one, until) in under_way.items() if until > now}
        sites = sites_of(one for one, _ in under_way.values())
        for done in admit(waiting, sites, terms, now).admitted:
            under_way[done.candidate.number] = (done.candidate, done.lease_until)
            tries[done.candidate.number] += 1
        out = {name: len(site.unavailable) for name, site in sites_of(one for one, _ in under_way.values()).items()}
        assert all(count <= max(most) for count in out.values())
        for number in [n for n in under_way if n not in silent or tries[n] > 2]:
            del under_way[number]
            waiting = [one for one in waiting if one.number != number]
        now += 600.0

    assert not waiting


def sites_of(candidates) -> dict[str, Site]:
    found = defaultdict[str, list[str]](list)
    for one in candidates:
        found[f"site={one.labels['site']}"].append(one.device)
    return {name: Site(frozenset(devices), len(devices)) for name, devices in found.items()}
