"""How versions behave on devices: requests without an answer, low scores, and whole spans of time."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract import arrays
from edgewright.contract.profile import Profile, build_schema
from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe import behaviour
from edgewright.hub.observe.behaviour import SPAN_S, Answers, answers_of
from edgewright.hub.rollout.gates import Counted
from scenes.databases import new_database

INPUTS = (TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2)),)
SCORES = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES)
LABEL = TensorSpec(name="label", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL)
CONTRACT = Contract(inputs=INPUTS, outputs=(SCORES,))
NOON = 96 * 20_000 * SPAN_S


@pytest.fixture
def db(tmp_path):
    database = new_database(tmp_path)
    yield database
    database.close()


def profile_of(scores: list[list[float]], failed: int = 0) -> Profile:
    """A profile of answers with these scores and of `failed` requests without one; the reference's are 0.5 to 1."""
    random = np.random.default_rng(0)
    top = random.uniform(0.5, 1.0, 2000)
    reference = np.column_stack([top, (1 - top) / 2, (1 - top) / 2]).astype(np.float32)
    x = random.normal(size=(2000, 2)).astype(np.float32)
    profile = Profile(build_schema(CONTRACT, "press", 1, {"x": x}, {"scores": reference}))
    if scores:
        profile.update({"x": x[: len(scores)]}, {"scores": np.array(scores, np.float32)}, 0.001)
    if failed:
        profile.update({"x": x[:failed]}, {}, 0.001)
    return profile


def test_a_profile_tells_of_requests_without_an_answer_and_of_low_scores():
    answers = answers_of(profile_of([[0.9, 0.05, 0.05], [0.51, 0.25, 0.24], [0.8, 0.1, 0.1]], failed=2))

    assert (answers.rows, answers.failed, answers.unsure, answers.scored) == (5, 2, 1, 3)
    assert answers.scores == pytest.approx(0.9 + 0.51 + 0.8, abs=0.05)


def test_not_a_number_is_no_answer():
    assert answers_of(profile_of([[float("nan")] * 3, [0.9, 0.05, 0.05]])).failed == 1


def test_a_model_without_profiled_outputs_has_requests_alone(line):
    profile = Profile.from_bytes(line.schema, line.window(rows=7).payload)

    assert answers_of(profile) == Answers(7, 0, 0, 0, 0.0)


def test_windows_add_up_by_device_version_and_whole_quarters_of_an_hour(db):
    with db.write() as connection:
        for at, version, failed in ((0, 1, 1), (100, 1, 2), (SPAN_S, 1, 4), (SPAN_S, 2, 8), (2 * SPAN_S, 1, 16)):
            behaviour.add(
                connection, "d1", "press", version, behaviour.span_of(NOON + at), Answers(100, failed, 0, 0, 0.0)
            )

    with db.read() as connection:
        before = behaviour.served(connection, "press", ["d1"], NOON, NOON + SPAN_S + 1, not_version=2)
        control = behaviour.served(connection, "press", ["d1"], NOON + 1, NOON + 2 * SPAN_S, not_version=2)
        canary = behaviour.served(connection, "press", ["d1", "d2"], NOON + SPAN_S + 500, NOON + 3 * SPAN_S, version=2)

    assert before == {"d1": Counted(rows=200, failed=3)}
    assert control == {"d1": Counted(rows=100, failed=4)}  # a span in which the rollout began is nobody's
    assert canary == {"d1": Counted(rows=100, failed=8)}


def test_what_lies_long_back_is_forgotten(db):
    with db.write() as connection:
        behaviour.add(connection, "d1", "press", 1, behaviour.span_of(NOON), Answers(100, 1, 0, 0, 0.0))
        behaviour.add(connection, "d1", "press", 1, behaviour.span_of(NOON + 9 * 86400), Answers(100, 2, 0, 0, 0.0))

    with db.read() as connection:
        found = behaviour.served(connection, "press", ["d1"], 0, NOON + 10 * 86400, not_version=9)

    assert found == {"d1": Counted(rows=100, failed=2)}


def test_a_window_that_comes_twice_counts_once(line):
    window = line.window(rows=60)

    line.send("d1", window)
    line.send("d1", window)

    with line.db.read() as connection:
        found = line.observe.served(connection, "press", ["d1"], 0, line.now, version=1)
    assert found["d1"].rows == 60


def test_drift_is_told_as_an_effect_once_it_alarms(line):
    with line.db.read() as connection:
        assert line.observe.drift(connection, "press", 1) is None
    line.minutes(4, {"d1": 0.0, "d2": 0.0})
    with line.db.read() as connection:
        assert line.observe.drift(connection, "press", 1) == 0.0

    line.minutes(30, {"d1": 3.0, "d2": 3.0})

    with line.db.read() as connection:
        assert line.observe.drift(connection, "press", 1) > 0.5


@pytest.mark.parametrize(
    ("contract", "outputs", "chosen"),
    [
        (CONTRACT, {"scores": np.array([[0.1, 0.7, 0.2]], np.float32)}, 1),
        (Contract(inputs=INPUTS, outputs=(LABEL, SCORES)), {"label": np.array([2])}, 2),
        (CONTRACT, {"other": np.array([1.0])}, None),
        (CONTRACT, {"scores": np.zeros((1, 0), np.float32)}, None),
        (Contract(inputs=INPUTS, outputs=(LABEL,)), {"label": np.array([-1])}, None),
        (Contract(inputs=INPUTS, outputs=()), {}, None),
    ],
)
def test_a_samples_answer_names_the_class_that_was_chosen(contract, outputs, chosen):
    assert behaviour.predicted(contract, sample(arrays.encode(outputs))) == chosen


def test_an_answer_that_cannot_be_read_names_no_class_and_no_score():
    assert behaviour.predicted(CONTRACT, sample(b"\x00rubbish")) is None
    assert behaviour.scored(CONTRACT, sample(b"\x00rubbish")) is None


@pytest.mark.parametrize(
    ("contract", "scores", "highest"),
    [
        (CONTRACT, [[0.25, 0.75]], 0.75),
        (Contract(inputs=INPUTS, outputs=(LABEL, SCORES)), [[0.5, 0.25]], 0.5),
        (CONTRACT, [[np.nan, 0.75]], None),
        (Contract(inputs=INPUTS, outputs=(LABEL,)), [[0.25, 0.75]], None),
    ],
    ids=["scores", "beside a label", "missing", "labels alone"],
)
def test_a_samples_answer_is_as_sure_as_its_highest_score(contract, scores, highest):
    outputs = {"scores": np.array(scores, np.float32), "label": np.array([1])}

    assert behaviour.scored(contract, sample(arrays.encode(outputs))) == highest


def sample(outputs: bytes) -> Sample:
    facts = {"id": "s1", "request": "r", "model": "press", "version": 1, "at": 0.0, "reference": "", "inputs": b""}
    return Sample(**facts, chosen_as="reservoir", uncertainty=0.0, outputs=outputs)
