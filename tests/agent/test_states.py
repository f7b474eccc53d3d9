"""The table of install steps: every row, and what a fresh start, a rollback and a reoffer make of a record."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.agent import states
from edgewright.agent.states import NEXT, TRIES, ModelRecord, SlotRecord, Step
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Install, Rollback
from edgewright.contract.report import Outcome

WORKING = tuple(step for step in Step if step is not Step.IDLE)


def install(counter: int = 2, deployment: str = "d2", sha256: str = "", **changes) -> Install:
    return Install(
        deployment=deployment,
        model="digits",
        version=counter,
        counter=counter,
        target_path=f"digits/{counter}/t.json",
        manifest_sha256=sha256 or f"{counter:064x}",
        fetches=(),
        **changes,
    )


def serving(counter: int = 1) -> ModelRecord:
    held = SlotRecord(counter=counter, version=counter, manifest_sha256=f"{counter:064x}", target="t")
    return ModelRecord(model="digits", active="a", slots={"a": held, "b": None}, floor=counter)


def at(step: Step) -> ModelRecord:
    """A record that has come to `step` on the way from release 1 to 2."""
    record = states.begin(serving(), install(), 10)
    for passed in (Step.FETCH, Step.STAGE, Step.TRIAL, Step.SHADOW):
        if record.step is step:
            return record
        assert record.step is passed
        record = states.advance(record, is_ok=True)
    if step is Step.COMMIT:
        return record
    return states.advance(record, is_ok=step is Step.REPORT, reason="the files do not verify")


@pytest.mark.parametrize("step", WORKING)
def test_every_step_leads_where_the_table_says(step):
    record = at(step)

    assert states.advance(record, is_ok=True).step is NEXT[step][0]
    assert states.advance(record, is_ok=False, reason="r").step is NEXT[step][1]


@pytest.mark.parametrize("step", WORKING)
@pytest.mark.parametrize("is_ok", [True, False])
def test_until_the_commit_the_active_slot_and_the_floor_stay(step, is_ok):
    record = states.advance(at(step), is_ok=is_ok, reason="r")

    has_committed = (step is Step.COMMIT and is_ok) or step is Step.REPORT
    assert (record.active, record.floor) == (("b", 2) if has_committed else ("a", 1))
    assert record.slots["a"] == serving().slots["a"]


def test_the_spare_slot_is_given_up_before_it_is_written_and_vouched_for_after():
    assert at(Step.STAGE).slots["b"] is None
    assert at(Step.TRIAL).slots["b"] == SlotRecord(
        counter=2, version=2, manifest_sha256=f"{2:064x}", target="", deployment="d2"
    )


def test_a_commit_moves_slot_and_floor_in_one_record():
    record = states.advance(at(Step.COMMIT), is_ok=True)

    assert (record.active, record.floor, record.step) == ("b", 2, Step.REPORT)
    assert states.to_report(record, 5.0).outcome is Outcome.COMMITTED


@pytest.mark.parametrize("step", [Step.TRIAL, Step.SHADOW])
def test_a_failed_trial_is_remembered_and_refused_next_time(step):
    record = states.advance(at(step), is_ok=False, reason="shadow: agrees on 11 %")
    while record.step is not Step.IDLE:
        record = states.advance(record, is_ok=True)

    again = states.begin(record, install(deployment="d3"), 10)

    assert again.step is Step.REPORT
    assert states.to_report(again, 0.0).outcome is Outcome.REFUSED
    assert "shadow: agrees on 11 %" in states.to_report(again, 0.0).reason
    assert record.slots["b"] is None


def test_a_reoffer_is_tried_again():
    record = states.advance(at(Step.TRIAL), is_ok=False, reason="r")
    while record.step is not Step.IDLE:
        record = states.advance(record, is_ok=True)

    again = states.begin(record, install(deployment="d3", is_reoffer=True), 10)

    assert again.step is Step.FETCH
    assert again.rejected == {}


def test_a_counter_below_the_floor_is_refused():
    record = states.begin(serving(counter=5), install(counter=4), 10)

    assert states.to_report(record, 0.0).outcome is Outcome.REFUSED
    assert "floor 5" in states.to_report(record, 0.0).reason


def test_what_is_active_already_is_reported_as_committed_without_being_fetched():
    record = states.begin(serving(), install(counter=1, deployment="d9"), 10)

    assert record.step is Step.REPORT
    assert states.to_report(record, 0.0).outcome is Outcome.COMMITTED


@pytest.mark.parametrize("step", [Step.FETCH, Step.STAGE, Step.COMMIT, Step.ROLL_BACK, Step.REPORT])
def test_a_fresh_start_does_the_same_step_again_and_counts_itself(step):
    record = states.boot(at(step))

    assert record.step is step
    assert states.to_report(record, 0.0).interruptions == 1


@pytest.mark.parametrize("step", [Step.TRIAL, Step.SHADOW])
def test_a_trial_is_repeated_while_tries_are_left_and_then_rolled_back(step):
    record = at(step)
    for _ in range(TRIES):
        record = states.boot(states.arm(record))
        if record.step is not Step.ROLL_BACK:
            assert record.step is Step.TRIAL

    assert record.step is Step.ROLL_BACK
    assert record.rejected


def test_a_candidate_that_has_run_for_an_hour_beside_the_active_model_has_all_its_tries_again():
    record = states.outlast(states.arm(states.arm(at(Step.SHADOW))))

    assert record.candidate.tries_left == TRIES
    assert states.outlast(record) is record
    assert states.disarm(record).candidate.tries_left == TRIES


def test_a_requested_stop_costs_no_try():
    record = states.disarm(states.arm(at(Step.TRIAL)))

    assert record.candidate.tries_left == TRIES


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step.FETCH, Step.REPORT),
        (Step.STAGE, Step.ROLL_BACK),
        (Step.TRIAL, Step.ROLL_BACK),
        (Step.SHADOW, Step.ROLL_BACK),
        (Step.COMMIT, Step.ROLL_BACK),  # it may wait there for a window
        (Step.REPORT, Step.REPORT),
    ],
)
def test_a_rollback_order_drops_a_candidate_that_has_not_committed(step, expected):
    order = Rollback(deployment="d2", model="digits", counter=2, reason="gate failed")

    assert states.roll_back(at(step), order).step is expected


def test_a_rollback_order_leaves_the_active_release_for_the_spare_slot():
    record = states.advance(states.advance(at(Step.COMMIT), is_ok=True), is_ok=True)
    order = Rollback(deployment="d2", model="digits", counter=2, reason="accuracy fell")

    leaving = states.roll_back(record, order)
    left = states.advance(leaving, is_ok=True)

    assert (leaving.step, leaving.active) == (Step.ROLL_BACK, "b")
    assert (left.step, left.active, left.slots["b"], left.floor) == (Step.REPORT, "a", None, 2)
    assert left.rejected == {f"{2:064x}": "accuracy fell"}
    assert states.to_report(left, 0.0).outcome is Outcome.ROLLED_BACK


def test_without_a_working_spare_slot_a_rollback_fails_once_and_the_active_release_goes_on():
    record = states.advance(states.advance(at(Step.COMMIT), is_ok=True), is_ok=True)
    order = Rollback(deployment="d2", model="digits", counter=2, reason="accuracy fell")

    kept = states.advance(states.roll_back(record, order), is_ok=False, reason="no spare")
    idle = states.advance(kept, is_ok=True)

    assert (idle.step, idle.active, idle.rejected) == (Step.IDLE, "b", {})
    assert states.to_report(kept, 0.0).outcome is Outcome.FAILED
    assert states.roll_back(idle, order) is idle


def test_an_install_that_ended_badly_is_not_begun_again_by_the_same_deployment():
    record = states.advance(states.advance(at(Step.FETCH), is_ok=False, reason="404"), is_ok=True)

    assert not states.is_wanted(record, install())
    assert states.is_wanted(record, install(deployment="d3"))


def test_a_newer_release_takes_the_place_of_one_that_is_still_being_fetched():
    assert states.supersede(at(Step.FETCH), install(3), 0.0).step is Step.REPORT
    assert states.supersede(at(Step.FETCH), install(2), 0.0).step is Step.FETCH
    assert states.supersede(at(Step.TRIAL), install(3), 0.0).step is Step.TRIAL


def leased(step: Step, until: float = 100.0) -> ModelRecord:
    return states.renew(at(step), install(lease_until=until))


@pytest.mark.parametrize("step", WORKING)
def test_a_later_order_renews_the_terms_of_the_install_under_way_and_of_no_other(step):
    terms = {"lease_until": 100.0, "begin_by": 50.0, "windows": ("22:00-05:00",)}

    record = states.renew(at(step), install(**terms))

    if step in states.UNDER_WAY:
        assert record.candidate.install == install(**terms)
        assert states.renew(record, install(**terms)) is record
        assert states.renew(record, install(deployment="d9")) is record
        assert states.renew(record, install(3, deployment="d2")) is record
    else:
        assert record == at(step)


def test_a_lease_is_over_after_its_moment_and_one_without_an_end_never():
    assert not states.is_lease_over(install(lease_until=100.0), 100.0)
    assert states.is_lease_over(install(lease_until=100.0), 100.1)
    assert not states.is_lease_over(install(), 1e12)


@pytest.mark.parametrize("step", states.UNDER_WAY)
def test_another_deployment_takes_the_place_of_one_whose_lease_is_over(step):
    record = states.supersede(leased(step), install(2, deployment="d3"), 101.0)

    assert record.step is (Step.REPORT if step is Step.FETCH else Step.ROLL_BACK)
    assert record.candidate.outcome is Outcome.FAILED
    assert record.rejected == {}


@pytest.mark.parametrize("step", states.UNDER_WAY)
@pytest.mark.parametrize(
    ("other", "now"),
    [
        (install(2, deployment="d3"), 100.0),  # the lease still runs
        (install(2), 101.0),  # the same deployment
        (install(2, deployment="d3", lease_until=100.0), 101.0),  # which may not go on either
    ],
)
def test_an_install_gives_way_to_nothing_else(step, other, now):
    record = leased(step)

    assert states.supersede(record, other, now) is record


@pytest.mark.parametrize(
    ("step", "is_other_good", "active", "candidate_slot"),
    [
        (Step.FETCH, True, "b", "a"),  # the spare serves, so the candidate must go into the broken slot
        (Step.FETCH, False, "", "b"),
        (Step.TRIAL, True, "", "b"),  # what is in the other slot has not passed its trial
    ],
)
def test_a_broken_active_slot_gives_way_only_to_one_that_was_tried(step, is_other_good, active, candidate_slot):
    record = states.lose_slot(at(step), "a", is_other_good=is_other_good)

    assert record.active == active
    assert record.candidate.slot == candidate_slot
    assert record.slots["a"] is None


@pytest.mark.parametrize("step", Step)
def test_a_record_survives_its_bytes(step):
    record = serving() if step is Step.IDLE else at(step)

    assert states.decode(states.encode(record)) == record


@given(data=st.data())
def test_no_single_flipped_bit_goes_unnoticed(data):
    whole = states.encode(at(Step.TRIAL))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << (bit % 8)

    try:
        record = states.decode(bytes(flipped))
    except HostileInput:
        return
    assert record == at(Step.TRIAL)  # a name of the envelope's own fields was hit in a way that means the same


@given(st.binary(max_size=200))
def test_what_is_no_record_is_refused(data):
    with pytest.raises(HostileInput):
        states.decode(data)


def test_the_step_can_be_seen_in_the_file():
    stored = msgspec.json.decode(states.encode(at(Step.SHADOW)))

    assert stored["record"]["step"] == "shadow"
