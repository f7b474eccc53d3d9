"""Detectors compare with what was counted of a version's hold-out: from the door to the estimate without labels."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import onnx
import pytest
import sqlalchemy as sa
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract import arrays
from edgewright.contract.api import FileRef, LabelDraft, Role, SnapshotDraft, VersionDraft, VersionRecord
from edgewright.contract.profile import Measure, Profile
from edgewright.contract.refinement import Refinement, TensorHint
from edgewright.contract.report import Batch, Sample
from edgewright.contract.tensors import Kind
from edgewright.hub.app import Hub
from edgewright.hub.data import npz
from edgewright.hub.data.table import data_policy
from edgewright.hub.govern import Principal
from edgewright.hub.observe.building import hold_out_of
from edgewright.hub.observe.detectors import Baseline, detector
from edgewright.hub.observe.detectors.labels.estimated import estimated_accuracy
from edgewright.hub.observe.detectors.labels.shift import estimated_mix
from edgewright.hub.registry import HoldOutCounts
from edgewright.hub.registry.table import version as version_table
from edgewright.hub.web.devices.intake import intake
from scenes.dashboard import NOW, add_device, empty_hub
from scenes.looking import look_once

ANA = Principal(name="ana", roles=(Role.ENGINEER,))
SURE = 8.0


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    hub = empty_hub(tmp_path_factory.mktemp("hub"))
    with look_once():
        yield hub
    hub.db.close()


def overconfident() -> onnx.ModelProto:
    """y[N, 2] = softmax(8 · (−x, x)): nearly always sure."""
    weights = np.array([[-SURE, SURE]], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    made = helper.make_graph(
        nodes,
        "sure",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def field(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and truths that depend on them much less than the model believes: it is right in three of four."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 1)).astype(np.float32)
    return rows, (random.random(count) < 1 / (1 + np.exp(-2 * rows[:, 0]))).astype(np.int64)


def scores_of(rows: np.ndarray) -> np.ndarray:
    upper = 1 / (1 + np.exp(-2 * SURE * rows))
    return np.concatenate([1 - upper, upper], axis=1).astype(np.float32)


def register(hub: Hub, name: str, *, has_labels: bool = True, **facts) -> VersionRecord:
    files = []
    for path, seed in (("train.npz", 1), ("holdout.npz", 2)):
        rows, truth = field(4000, seed)
        data = npz.write({"x": rows, "label": truth} if has_labels else {"x": rows})
        files.append(FileRef(path=path, sha256=hub.blobs.put_bytes(data), size_bytes=len(data)))
    snapshot = hub.data.create(ANA, SnapshotDraft(dataset=name, files=tuple(files))).id
    source = hub.blobs.put_bytes(overconfident().SerializeToString())
    hints = Refinement(outputs={"y": TensorHint(kind=Kind.SCORES)})
    return hub.registry.register(
        ANA, name, VersionDraft(source_sha256=source, snapshot=snapshot, refinement=hints, **facts)
    )


def baseline_of(hub: Hub, name: str) -> Baseline:
    """Through which the hub reads windows of the first version."""
    return hub.observe._lenses.of(name, 1).baseline


@pytest.fixture(scope="module")
def counted(hub) -> Baseline:
    register(hub, "counted")
    return baseline_of(hub, "counted")


def test_a_version_s_hold_out_reaches_the_detectors(counted):
    rows, truth = field(4000, 2)
    answers = scores_of(rows).argmax(axis=1)

    found = counted.hold_out

    assert found.confusion.tolist() == [
        [float(((truth == one) & (answers == other)).sum()) for other in (0, 1)] for one in (0, 1)
    ]
    assert found.error_rate == pytest.approx((answers != truth).mean())
    assert found.rows == found.scored.sum() == 4000
    assert found.right.sum() == (answers == truth).sum()


def test_a_model_that_is_too_sure_is_not_believed(counted):
    rows, truth = field(20_000, 3)
    scores = scores_of(rows)
    is_right = scores.argmax(axis=1) == truth
    seen = Profile(counted.schema)
    seen.update({"x": rows}, {"y": scores})

    estimate = estimated_accuracy(counted, seen.of("score")[:-1].astype(np.float64))

    assert is_right.mean() == pytest.approx(estimate, abs=0.02)
    assert scores.max(axis=1).mean() - is_right.mean() > 0.15, "its scores say otherwise"


def test_where_the_model_is_unsure_the_estimate_falls_with_the_accuracy(counted):
    rows, truth = field(20_000, 4)
    is_near = np.abs(rows[:, 0]) < 0.25
    scores = scores_of(rows[is_near])
    is_right = scores.argmax(axis=1) == truth[is_near]
    seen = Profile(counted.schema)
    seen.update({"x": rows[is_near]}, {"y": scores})

    estimate = estimated_accuracy(counted, seen.of("score")[:-1].astype(np.float64))

    too_sure = scores.max(axis=1).mean() - is_right.mean()
    assert too_sure > 0.2
    assert abs(estimate - is_right.mean()) < too_sure / 4


def test_the_confusion_is_undone(counted):
    random, (rows, truth) = np.random.default_rng(5), field(40_000, 6)
    chosen = np.where(truth == 1, True, random.random(len(truth)) < 0.25)
    rows, truth = rows[chosen], truth[chosen]
    answers = scores_of(rows).argmax(axis=1)

    mix = estimated_mix(counted.hold_out.confusion, np.bincount(answers, minlength=2).astype(np.float64))

    assert mix[1] == pytest.approx(truth.mean(), abs=0.03)
    assert answers.mean() < truth.mean() - 0.05, "the answers alone tell of a smaller change"


def test_an_answer_that_people_label_brings_its_score(hub, counted):
    outputs = arrays.encode({"y": np.array([[0.25, 0.75]], np.float32)})
    facts = {"id": "s1", "request": "r1", "model": "counted", "version": 1, "at": NOW, "reference": ""}
    facts |= {"chosen_as": "uncertain", "uncertainty": 0.5, "inputs": arrays.encode({"x": np.ones((1, 1), np.float32)})}
    with hub.db.write() as connection:
        device = add_device(connection, "lane-1")
        hub.collections.open(connection, "r1", "counted", 5)
        policy = {"model": "counted", "policy": {"may_leave": True}, "set_by": "ana", "set_at": NOW}
        connection.execute(sa.insert(data_policy).values(policy))
        intake(hub, device, Batch(records=(Sample(**facts, outputs=outputs),)))(connection)

    hub.data.label(ANA, [LabelDraft(sample=f"{device}:s1", label=1)])

    with hub.db.read() as connection:
        (answer,) = hub.data.answers(connection, "counted", 1)
    assert (answer.predicted, answer.score) == (1, 0.75)


def test_a_hold_out_without_labels_leaves_the_accuracy_that_was_told(hub):
    version = register(hub, "unlabelled", has_labels=False, metrics={"accuracy": 0.75})

    found = baseline_of(hub, "unlabelled").hold_out

    assert version.hold_out_sha256 == ""
    assert found.error_rate == pytest.approx(0.25)
    assert (found.rows, found.scored, found.right) == (4000, None, None)


def test_a_version_of_an_earlier_hub_is_read_as_before(hub):
    version = register(hub, "early", metrics={"accuracy": 0.75})
    record = msgspec.to_builtins(version)
    del record["hold_out_sha256"]
    with hub.db.write() as connection:
        query = sa.update(version_table).where(version_table.c.model == "early")
        connection.execute(query.values(record=record))

    found = baseline_of(hub, "early").hold_out

    assert hub.registry.version("early", 1).hold_out_sha256 == ""
    assert (found.error_rate, found.scored, found.right) == (pytest.approx(0.25), None, None)


def test_a_rehearsed_version_leaves_no_counts(hub, counted):
    source = hub.registry.version(counted.schema.model, 1)
    draft = VersionDraft(source_sha256=source.source_sha256, snapshot=source.lineage.snapshot, contract=source.contract)

    version = hub.registry.register(ANA, "counted", draft, dry_run=True)

    assert (version.reference_sha256, version.hold_out_sha256) == ("", "")


def test_rows_of_classes_without_a_slot_are_part_of_the_error_rate(counted):
    counts = HoldOutCounts(confusion=((80, 0), (10, 0)), others_right=6, others_wrong=4)

    found = hold_out_of(counted.schema, {}, counts)

    assert (found.rows, found.error_rate) == (100, pytest.approx(0.14))
    assert (found.scored, found.right) == (None, None)
    assert detector("concept-drift").watches(Baseline(counted.schema, found)) == ("errors",)


def test_the_score_has_as_many_bins_as_its_counts(counted):
    (place,) = (at for at, one in enumerate(counted.schema.features) if one.measure is Measure.SCORE)

    assert len(counted.hold_out.scored) == len(counted.schema.bins[place].edges) + 1
