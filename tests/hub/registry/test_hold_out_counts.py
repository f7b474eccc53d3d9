"""A version's hold-out is counted from its labels: by class and answer, and by score, in the slots of its profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.profile import Measure, Schema, decode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.registry import HoldOutCounts, decode_counts
from edgewright.hub.registry.reference import MAX_ROWS, ReferenceAnswer, ReferenceQuestion, build
from edgewright.hub.registry.runner import Runner, inputs_of
from edgewright.hub.registry.truth import encode_counts

X = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 3))
SCORES = TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES)
NAMED = TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES, names=("good", "bent", "torn"))
VALUE = TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.VALUE)
LABEL = TensorSpec(name="y", dtype=Dtype.INT64, shape=(None,), kind=Kind.LABEL)


@dataclass(frozen=True)
class Counted:
    """What registering a version would keep."""

    schema: Schema
    counts: HoldOutCounts | None

    def of(self, measure: Measure) -> np.ndarray:
        """The reference's rows in the slots of the output that is measured so."""
        return np.array(next(one.counts for one in self.schema.bins if one.feature.measure is measure))


def counted(folder: Path, model: onnx.ModelProto | Path, contract: Contract, **arrays: np.ndarray) -> Counted:
    """Build the reference of a model whose training rows and hold-out are these arrays."""
    path = model if isinstance(model, Path) else folder / "model.onnx"
    if not isinstance(model, Path):
        path.write_bytes(model.SerializeToString())
    np.savez(folder / "holdout.npz", **arrays)
    rows = str(folder / "holdout.npz")
    asked = ReferenceQuestion(
        model=str(path), train=rows, holdout=rows, contract=contract, tables={}, name="press", version=1
    )
    answer = build(asked)
    assert isinstance(answer, ReferenceAnswer)
    return Counted(decode_schema(answer.schema), decode_counts(answer.hold_out) if answer.hold_out else None)


def softmax() -> onnx.ModelProto:
    """y[N, 3] = softmax(x[N, 3])."""
    return graph([helper.make_node("Softmax", ["x"], ["y"])])


def identity() -> onnx.ModelProto:
    """y = x: scores as a test chooses them."""
    return graph([helper.make_node("Identity", ["x"], ["y"])])


def largest() -> onnx.ModelProto:
    """y[N] = 7 · the place of the largest: a model that answers with labels alone, some of them large."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["place"], axis=1, keepdims=0),
        helper.make_node("Mul", ["place", "seven"], ["y"]),
    ]
    return graph(nodes, TensorProto.INT64, ["N"], [numpy_helper.from_array(np.array(7, np.int64), "seven")])


def graph(nodes, kind=TensorProto.FLOAT, shape=("N", 3), constants=()) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", kind, list(shape))],
        list(constants),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def some_rows(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and labels that are mostly the place of the largest value."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(count, 3)).astype(np.float32)
    return rows, (rows + random.normal(scale=0.5, size=rows.shape)).argmax(axis=1)


def matrix(truth: np.ndarray, answers: np.ndarray, classes: int) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (truth, answers), 1)
    return tuple(map(tuple, counts.tolist()))


def test_digits_are_counted_as_numpy_counts_them(digits, tmp_path):
    from edgewright.hub.registry.inspect import inspect_source

    contract = inspect_source(digits.path).contract
    runner = Runner(str(digits.path), contract, {})
    outputs = runner.answer(inputs_of(digits.holdout, contract))
    scores = outputs[contract.output_of(Kind.SCORES).name].max(axis=1)
    answers, truth = outputs[contract.output_of(Kind.LABEL).name], digits.holdout["label"]
    edges = np.linspace(0, 1, 33)

    found = counted(tmp_path, digits.path, contract, **digits.holdout)

    assert found.counts.confusion == matrix(truth, answers, 10)
    assert found.counts.scored == tuple(np.histogram(scores, edges)[0].tolist())
    assert found.counts.right == tuple(np.histogram(scores[answers == truth], edges)[0].tolist())
    assert (found.counts.others_right, found.counts.others_wrong) == (0, 0)


def test_the_counts_are_of_the_rows_that_the_profile_counts(tmp_path):
    rows, truth = some_rows()

    found = counted(tmp_path, softmax(), Contract(inputs=(X,), outputs=(SCORES,)), x=rows, label=truth)

    assert found.counts.confusion == matrix(truth, rows.argmax(axis=1), 3)
    assert np.array(found.counts.confusion).sum(axis=0).tolist() == found.of(Measure.PREDICTED)[:3].tolist()
    assert found.counts.scored == tuple(found.of(Measure.SCORE)[:-1].tolist())
    assert sum(found.counts.right) == (rows.argmax(axis=1) == truth).sum()


def test_a_score_on_the_edge_of_a_bin_is_counted_where_the_profile_counts_it(tmp_path):
    rows = np.array([[0.5, 0.25, 0.25], [0.53125, 0.46875, 0.0], [1.0, 0.0, 0.0], [np.nan, 0.5, 0.5]], np.float32)

    contract = Contract(inputs=(X,), outputs=(SCORES,))
    found = counted(tmp_path, identity(), contract, x=rows, label=np.zeros(4, np.int64))

    assert np.flatnonzero(found.counts.scored).tolist() == [16, 17, 31]
    assert found.counts.scored == tuple(found.of(Measure.SCORE)[:-1].tolist())
    assert found.counts.others_wrong == 1, "no class was answered where a score is missing"


def test_labels_may_be_the_contract_s_names(tmp_path):
    rows, truth = some_rows()
    contract = Contract(inputs=(X,), outputs=(NAMED,))

    by_name = counted(tmp_path, softmax(), contract, x=rows, label=np.array(NAMED.names)[truth])
    by_number = counted(tmp_path, softmax(), contract, x=rows, label=truth)

    assert by_name.counts == by_number.counts


def test_a_label_that_the_model_does_not_know_makes_its_answer_wrong(tmp_path):
    rows, truth = some_rows()
    strange = truth.copy()
    strange[:5] = 3

    contract = Contract(inputs=(X,), outputs=(SCORES,))
    found = counted(tmp_path, softmax(), contract, x=rows, label=strange)

    assert found.counts.confusion == matrix(truth[5:], rows[5:].argmax(axis=1), 3)
    assert (found.counts.others_right, found.counts.others_wrong) == (0, 5)
    assert sum(found.counts.right) == (rows.argmax(axis=1) == strange).sum()


def test_a_class_too_rare_for_a_slot_is_counted_beside_the_matrix(tmp_path):
    rows = np.eye(3, dtype=np.float32)[[0] * 30 + [1] * 30 + [2] * 4]
    truth = np.array([0] * 28 + [7] * 32 + [14, 14, 14, 0])

    found = counted(tmp_path, largest(), Contract(inputs=(X,), outputs=(LABEL,)), x=rows, label=truth)

    assert found.counts.confusion == ((28, 0), (2, 30))
    assert (found.counts.others_right, found.counts.others_wrong) == (3, 1)
    assert (found.counts.scored, found.counts.right) == ((), ())


@pytest.mark.parametrize("spec", [VALUE, SCORES], ids=["a regression", "no labels"])
def test_nothing_is_counted_of(spec, tmp_path):
    rows, truth = some_rows()
    arrays = {"x": rows} if spec is SCORES else {"x": rows, "label": truth + 0.5}

    found = counted(tmp_path, identity(), Contract(inputs=(X,), outputs=(spec,)), **arrays)

    assert found.counts is None


def test_an_input_by_the_name_of_the_labels_is_no_label(tmp_path):
    rows, _ = some_rows()
    contract = Contract(inputs=(X, TensorSpec(name="label", dtype=Dtype.FLOAT32, shape=(None, 1))), outputs=(SCORES,))

    found = counted(tmp_path, softmax(), contract, x=rows, label=rows[:, :1])

    assert found.counts is None


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda truth: truth[:-1], "399 labels for 400 rows"),
        (lambda truth: np.eye(3)[truth], "1200 labels for 400 rows"),
        (lambda truth: np.where(np.arange(400) == 9, np.nan, truth), "[9] is nan, which is no class"),
        (lambda truth: truth + 0.5, "which is no class"),
        (lambda truth: truth.astype(complex), "complex128: neither numbers nor names"),
    ],
    ids=["too few", "one-hot", "missing", "fractions", "complex"],
)
def test_labels_that_can_be_none_are_refused_with_field_and_fix(spoil, says, tmp_path):
    rows, truth = some_rows()

    with pytest.raises(InvalidInput) as refusal:
        counted(tmp_path, softmax(), Contract(inputs=(X,), outputs=(SCORES,)), x=rows, label=spoil(truth))

    assert refusal.value.field == "holdout.npz.label"
    assert says in refusal.value.message
    assert "number of its class" in refusal.value.hint


def test_of_a_large_hold_out_the_first_rows_are_counted(tmp_path):
    rows = np.zeros((MAX_ROWS + 5, 3), np.float32)

    contract = Contract(inputs=(X,), outputs=(SCORES,))
    found = counted(tmp_path, identity(), contract, x=rows, label=np.zeros(len(rows), np.int64))

    assert found.counts.confusion[0][0] == sum(found.counts.scored) == MAX_ROWS


def test_counts_of_another_format_are_not_read():
    counts = HoldOutCounts(format=2, confusion=(), others_right=0, others_wrong=0)

    with pytest.raises(HostileInput, match="format 2"):
        decode_counts(encode_counts(counts))
    with pytest.raises(HostileInput, match="not the counts"):
        decode_counts(b"\xc1")
