"""The front, the constraints and what is recommended, on trials with made-up figures."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.api import Constraints, Memory, ModelFormat, Place, Precision, StudyState, TrialState
from edgewright.hub.optimize.search.conclude import conclude, on_devices, reconsider
from edgewright.hub.optimize.search.front import front, point
from scenes.trials import study, timing, trial

ONNX = ModelFormat.ONNX


def concluded(*trials, limits=None):
    return conclude(study(*trials, limits=limits), ONNX)


def test_the_front_holds_what_no_other_beats_on_every_count():
    ended = concluded(
        trial("t0"), trial("t1", size=300, ms=0.6), trial("t2", size=250, ms=0.9), trial("t3", size=310, ms=0.9)
    )

    assert [one.id for one in ended.trials if one.is_on_front] == ["t1", "t2"]


def test_what_measurements_of_one_file_differ_by_is_no_difference_and_of_equals_the_first_stays():
    ended = concluded(trial("t0"), trial("t1", size=300, ms=0.601), trial("t2", size=300, ms=0.600, lost=0.0001))

    assert [one.id for one in ended.trials if one.is_on_front] == ["t1"]


def test_what_may_be_recommended_gives_no_way_to_what_beats_it_by_noise_and_may_not():
    ended = concluded(trial("t0"), trial("t1", size=500, ms=1.01), trial("t2", size=501, ms=0.99))

    assert ended.recommended == "t2"
    assert [one.id for one in ended.trials if one.is_on_front] == ["t1", "t2"]


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(0.001, 100), st.floats(0, 0.9), st.integers(1, 10**9)),
        min_size=1,
        max_size=8,
    )
)
def test_a_front_is_never_empty_and_none_of_it_beats_another(drawn):
    points = [
        point(trial(f"t{number}", size=size, ms=ms, lost=lost, memory=memory))
        for number, (size, ms, lost, memory) in enumerate(drawn)
    ]

    best = front(points)

    assert best
    for one, other in itertools.permutations([each for each in points if each.id in best], 2):
        assert any(a < b for a, b in zip(one.counts, other.counts, strict=True))


def test_the_smallest_and_fastest_that_keeps_its_answers_is_recommended_with_what_it_won():
    ended = concluded(trial("t0"), trial("t1", size=250, ms=0.5), trial("t2", size=900, ms=0.95, lost=-0.001))

    assert (ended.state, ended.recommended) == (StudyState.DONE, "t1")
    assert ended.reasons[0].startswith(
        "t1 (step-t1) is recommended: nothing lost, 4.00 times smaller, 2.00 times faster"
    )
    assert "t2 (step-t2) is the other choice: 3.60 times larger, 1.90 times slower, 0.10 points better" in ended.reasons


@pytest.mark.parametrize(
    ("loser", "why"),
    [
        (trial("t1", size=250, ms=1.3), "slower than the source (1.3 times at p50)"),
        (trial("t1", size=1001, ms=0.5), "larger than the source (1,001 against 1,000 bytes)"),
    ],
)
@pytest.mark.parametrize("limits", [Constraints(), Constraints(size_bytes=2000, max_metric_drop=0.5)])
def test_nothing_slower_or_larger_than_the_source_is_ever_recommended(loser, why, limits):
    ended = concluded(trial("t0"), loser, limits=limits)

    assert ended.recommended == "t0"
    assert any(why in reason for reason in ended.reasons)


@given(
    st.lists(
        st.tuples(st.integers(1, 2000), st.floats(0.01, 3), st.floats(-0.1, 0.1), st.integers(10**6, 10**8)), max_size=6
    ),
    st.integers(0, 2000),
)
def test_whatever_was_measured_the_recommended_one_is_neither_slower_nor_larger(drawn, size_limit):
    trials = [
        trial(f"t{number}", size=size, ms=ms, lost=lost, memory=memory)
        for number, (size, ms, lost, memory) in enumerate(drawn, 1)
    ]
    ended = concluded(trial("t0"), *trials, limits=Constraints(size_bytes=size_limit))

    for one in ended.trials:
        if one.id == ended.recommended:
            assert one.figures.size_bytes <= 1000
            assert one.figures.timing.p95_ms <= one.source_timing.p95_ms
            assert one.breaks == ()
            assert one.is_on_front


def test_a_source_that_runs_on_no_such_target_is_replaced_by_its_plain_conversion():
    tflite = {"format": ModelFormat.TFLITE, "source_ms": None}
    plain = trial("t1", size=900, ms=2.0, precision=Precision.FP32, **tflite)
    slow = trial("t2", size=300, ms=2.2, **tflite)
    quick = trial("t3", size=310, ms=1.5, **tflite)

    ended = conclude(study(trial("t0"), plain, slow, quick), ModelFormat.TFLITE)

    assert ended.recommended == "t3"
    assert any("t2" in reason and "slower than t1, which is the source converted" in reason for reason in ended.reasons)
    assert not ended.trials[0].is_on_front


def test_a_constraint_that_nothing_meets_is_named_with_what_it_would_have_to_be():
    ended = concluded(
        trial("t0", size=1000),
        trial("t1", size=260, ms=0.5),
        trial("t2", size=200, ms=0.4, lost=0.1),
        limits=Constraints(size_bytes=250, max_metric_drop=0.02),
    )

    assert (ended.state, ended.recommended) == (StudyState.UNMET, "")
    assert ended.trials[1].breaks == ("size_bytes",)
    assert "size_bytes binds: at 260 bytes instead of 250 bytes, t1 would do" in ended.reasons
    assert any(
        reason.startswith("near: t2") and "max_metric_drop (10.00 points, at most 2.00 points)" in reason
        for reason in ended.reasons
    )


def test_of_what_breaks_one_constraint_the_nearest_is_told_first():
    sizes = (1000, 700, 300, 500, 250)
    trials = [trial(f"t{number}", size=size) for number, size in enumerate(sizes)]

    ended = concluded(*trials, limits=Constraints(size_bytes=100))

    near = [reason.split(" ")[1] for reason in ended.reasons if reason.startswith("near: ")]
    assert near == ["t4", "t2", "t3"]


def test_where_no_recipe_left_what_the_target_runs_no_constraint_is_to_blame():
    failed = trial("t1", format=ModelFormat.TFLITE, state=TrialState.FAILED, figures=None)

    ended = conclude(study(trial("t0"), failed), ModelFormat.TFLITE)

    assert (ended.state, ended.recommended) == (StudyState.UNMET, "")
    assert [reason.split(":")[0] for reason in ended.reasons] == ["no recipe left what the target runs"]


def test_trials_that_strayed_or_failed_are_never_on_the_front():
    ended = concluded(
        trial("t0"), trial("t1", size=10, state=TrialState.STRAYED), trial("t2", state=TrialState.FAILED, figures=None)
    )

    assert [one.id for one in ended.trials if one.is_on_front] == ["t0"]


def test_what_devices_measured_is_believed_before_what_the_hub_did():
    hub = concluded(trial("t0"), trial("t1", size=300, ms=0.5))
    times = {"t0" * 32: 10.0, "t1" * 32: 12.0}

    def measured(sha256):
        memory = Memory(peak_bytes=40_000_000, place=Place.DEVICE)
        return timing(times[sha256], Place.DEVICE), memory

    ended = conclude(on_devices(hub, measured), ONNX)

    assert (hub.recommended, ended.recommended) == ("t1", "t0")
    assert ended.trials[1].figures.timing == timing(12.0, Place.DEVICE)
    assert ended.trials[1].elsewhere == (timing(0.5),)


def test_reasons_of_the_first_conclusion_give_way_to_those_that_devices_give():
    hub = conclude(study(trial("t0"), trial("t1", size=300, ms=0.5), reasons=("version 1 taught this",)), ONNX)
    memory = Memory(peak_bytes=40_000_000, place=Place.DEVICE)
    slow = on_devices(hub, lambda sha256: (timing({"t0": 10.0, "t1": 12.0}[sha256[:2]], Place.DEVICE), memory))

    ended = reconsider(slow, hub, ONNX)

    assert ended.recommended == "t0"
    assert not any("t1 (step-t1) is recommended" in reason for reason in ended.reasons)
    assert ended.reasons[-1] == "version 1 taught this"


def test_where_devices_timed_a_variant_alone_its_speed_against_the_source_is_told_by_the_hub():
    hub = concluded(trial("t0"), trial("t1", size=300, ms=0.5))
    memory = Memory(peak_bytes=40_000_000, place=Place.DEVICE)

    found = on_devices(hub, lambda sha256: (timing(80.0, Place.DEVICE), memory) if sha256 == "t1" * 32 else None)

    assert point(found.trials[1]).p95 == 0.5
    assert conclude(found, ONNX).recommended == "t1"
