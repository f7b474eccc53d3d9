"""Variants measured against their source, in real processes, with real runtimes, and on an emulated processor."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest

from edgewright.contract.api import Metric, Place
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Kind
from edgewright.hub.children import StepFailed
from edgewright.hub.optimize.measuring import Rows, Subject, confirm, golden, measure_all
from edgewright.hub.optimize.model import Precision, StepPlan
from edgewright.hub.optimize.steps import StepContext, params_of, step
from edgewright.hub.optimize.targets import target
from edgewright.hub.optimize.toolchains import arm64, folder, make, toolchain
from plugins import zoo

pytestmark = pytest.mark.optimize

CPU = target("x86-64-vnni")
ARM = target("raspberry-pi-5")


class Scene:
    """A model of the zoo with its int8 variant, and a hold-out on which the source is right."""

    def __init__(self, kept, folder, kind):
        self.folder = folder
        self.source = Subject(id="t0", model=str(kept.save(folder)), precision=Precision.FP32)
        rows = {name: np.concatenate([array] * 4) for name, array in kept.rows.items()}
        session = onnxruntime.InferenceSession(self.source.model, providers=["CPUExecutionProvider"])
        (answers,) = session.run(None, rows)
        truth = answers.argmax(axis=1) if kind is Kind.SCORES else answers
        groups = np.resize(["north", "south"], len(truth))
        np.savez(folder / "holdout.npz", label=truth, group=groups, **rows)
        output = msgspec.structs.replace(kept.contract.outputs[0], kind=kind)
        contract = msgspec.structs.replace(kept.contract, outputs=(output,))
        self.rows = Rows(holdout=str(folder / "holdout.npz"), label_key="label", contract=contract)
        self.calibration = kept.save_rows(folder)

    def int8(self):
        plan = StepPlan(name="static-int8")
        context = StepContext(folder=self.folder, calibration=self.calibration)
        made = step(plan.name).apply(Path(self.source.model), params_of(plan), context)
        return Subject(id="t1", model=made.path, precision=Precision.INT8)

    def measure(self, *subjects, goal=CPU, **more):
        return measure_all(self.source, subjects, self.rows, goal, self.folder, **more)


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return Scene(zoo.digits_cnn(), tmp_path_factory.mktemp("cnn"), Kind.SCORES)


@pytest.fixture(scope="module")
def variant(cnn):
    return cnn.int8()


@pytest.fixture(scope="module")
def both(cnn, variant):
    """Measurements of source and variant, and what was told meanwhile."""
    told = []
    return *cnn.measure(variant, parent=Path(cnn.source.model), progress=lambda *done: told.append(done)), told


@pytest.fixture(scope="session")
def emulated():
    """The Python of the emulated arm64 machine, which is made (12 s, 180 MB) where there is none yet."""
    try:
        place = folder(Path(sys.prefix) / "toolchains")
        return Path(make(toolchain("arm64"), place, lambda done, total: None).python)
    except arm64.NoDebian as error:
        pytest.skip(f"no emulated machine: {error.message}")


def test_every_subject_has_figures_and_says_where_they_are_from(both):
    first, second, told = both

    assert told == [(done, 5) for done in range(5)]
    assert (first.id, second.id) == ("t0", "t1")
    assert first.figures.quality.value == 1.0
    assert first.figures.delta_bytes < 1000 < second.figures.delta_bytes <= second.figures.size_bytes
    assert second.figures.quality.groups.keys() == {"north", "south"}
    assert second.figures.timing.p50_ms <= second.figures.timing.p95_ms <= second.figures.timing.p99_ms
    assert second.figures.timing.place is Place.HUB
    assert second.figures.timing.where.endswith("CPUExecutionProvider, 1 thread")
    assert second.figures.memory.peak_bytes > 20_000_000


def test_a_variant_that_cannot_be_run_holds_nobody_up(cnn, variant, tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(b"\x08\x07 no model")
    damaged = Subject(id="t2", model=str(tmp_path / "damaged.onnx"), precision=Precision.FP32)

    _, first, second = cnn.measure(damaged, variant)

    assert "cannot load" in first.failure
    assert first.figures is None
    assert second.parity is not None


def test_a_source_that_cannot_be_run_ends_it(tmp_path):
    scene = Scene(zoo.mlp(), tmp_path, Kind.SCORES)
    (tmp_path / "damaged.onnx").write_bytes(b"\x08\x07 no model")
    scene.source = Subject(id="t0", model=str(tmp_path / "damaged.onnx"), precision=Precision.FP32)

    with pytest.raises((InvalidInput, StepFailed)):
        scene.measure()


def test_a_source_that_answers_no_numbers_is_refused_by_the_output_s_name(tmp_path):
    scene = Scene(zoo.with_weight(zoo.mlp(), float("nan")), tmp_path, Kind.VALUE)

    with pytest.raises(InvalidInput, match="'scores' is no finite number in 384 of 384 rows"):
        scene.measure()


def test_golden_vectors_hold_the_variant_s_own_answers_and_the_source_s(variant, both):
    data = Path(both[1].golden).read_bytes()

    inputs, outputs = golden.decode(data)

    session = onnxruntime.InferenceSession(variant.model, providers=["CPUExecutionProvider"])
    assert len(inputs["x"]) == golden.ROWS
    np.testing.assert_array_equal(session.run(None, inputs)[0], outputs["scores"])
    assert b"float:scores" in data


@pytest.mark.parametrize(
    ("build", "kind", "metric"),
    [(zoo.forest, Kind.VALUE, Metric.R2), (zoo.transformer, Kind.EMBEDDING, Metric.COSINE)],
)
def test_regressions_and_embeddings_are_measured_too(tmp_path, build, kind, metric):
    scene = Scene(build(), tmp_path, kind)

    (source,) = scene.measure()

    assert source.figures.quality.metric is metric
    assert source.figures.quality.value == pytest.approx(1.0)
    assert source.parity.is_kept


def test_the_target_s_own_runtime_measures_where_it_is_here(cnn, variant):
    pytest.importorskip("openvino")
    runtime = msgspec.structs.replace(CPU.runtime, name="openvino", minimum="2026", provider="CPU")
    goal = msgspec.structs.replace(CPU, runtime=runtime)

    source, measured = cnn.measure(variant, goal=goal)

    assert "openvino" in source.figures.timing.where
    assert "stands in" not in source.figures.timing.where
    assert measured.parity.value > 0.9, measured.parity.reason


def test_what_stands_in_for_hardware_says_so(cnn):
    runtime = msgspec.structs.replace(CPU.runtime, name="openvino", provider="NPU")

    (source,) = cnn.measure(goal=msgspec.structs.replace(CPU, runtime=runtime))

    assert source.figures.timing.where.endswith("stands in for openvino NPU")


def test_golden_answers_are_those_to_the_golden_rows_alone_since_scales_may_be_of_a_call(tmp_path):
    scene = Scene(zoo.mlp(), tmp_path, Kind.VALUE)
    with np.load(scene.rows.holdout) as held:
        rows = dict(held)
    name = next(iter(scene.rows.contract.inputs)).name
    rows[name][1] *= 100  # no golden row, but it widens the scale of every call that it is in
    np.savez(scene.rows.holdout, **rows)
    context = StepContext(folder=tmp_path, calibration=scene.calibration)
    made = step("dynamic-int8").apply(Path(scene.source.model), params_of(StepPlan(name="dynamic-int8")), context)
    variant = Subject(id="t1", model=made.path, precision=Precision.INT8)

    _, measured = scene.measure(variant)
    here, *_ = confirm(variant, scene.rows, Path(measured.golden), CPU, tmp_path, {})

    assert here.holds
    assert "differ by at most 0/255" in here.told


def test_golden_vectors_hold_in_every_runtime_that_is_here(cnn, variant, both):
    found = confirm(variant, cnn.rows, Path(both[1].golden), CPU, cnn.folder, {})

    assert [each.where.split()[0] for each in found] == ["onnxruntime", "openvino"]
    assert all(each.holds for each in found), found


def test_int8_is_equal_to_the_bit_on_an_emulated_arm64(cnn, variant, both, emulated):
    found = confirm(variant, cnn.rows, Path(both[1].golden), ARM, cnn.folder, {"arm64": emulated})[-1]

    assert found.place is Place.EMULATOR
    assert found.holds, found.told
    assert "8 of 8 integer tensors are equal to the bit" in found.told, found.told
    assert "classes agree in 100.0%" in found.told


def test_a_target_whose_emulator_is_not_installed_says_so(cnn, both):
    found = confirm(cnn.source, cnn.rows, Path(both[0].golden), ARM, cnn.folder, {})[-1]

    assert found.told == "it was not emulated, as the toolchain arm64 is not installed"
