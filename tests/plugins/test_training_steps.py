"""Steps that train, on digits: what they keep, what they gain, what they refuse, and that they repeat themselves."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind, TensorSpec
from edgewright.hub.children import ask
from edgewright.hub.optimize.making.stepper import surface
from edgewright.hub.optimize.model import Outcome, StepPlan, StepQuestion
from edgewright.hub.optimize.steps import StepContext, params_of, step
from plugins import digits, zoo
from plugins.digits import LABEL, School, run
from plugins.step_checks import check_params, check_step

pytestmark = pytest.mark.optimize

TRAINED = ("qat", "prune-channels", "distill", "transfer")
BRIEF = {"epochs": 1, "copies": 0}


@pytest.fixture(scope="session")
def cnn(tmp_path_factory) -> School:
    return digits.cnn(tmp_path_factory.mktemp("cnn"))


@pytest.fixture(scope="session")
def forest(tmp_path_factory) -> School:
    return digits.forest(tmp_path_factory.mktemp("forest"))


def test_half_of_the_channels_make_a_cnn_faster_and_cost_little(cnn, tmp_path, tell_figure):
    made = taken("prune-channels", cnn, tmp_path)

    times = faster(cnn, Path(made.path))
    drop = lost(cnn, made)
    tell_figure(f"prune-channels 50 %, CNN: {times:.2f}x faster, {-drop * 100:+.1f} points; {made.note}")
    assert drop <= 0.006
    assert times > 1.2  # how much faster is for bench/optimize.py to say, which has the machine for itself


def test_a_distilled_student_in_eight_bits_is_a_twenty_fifth_of_its_teacher(cnn, tmp_path, tell_figure):
    student = taken("distill", cnn, tmp_path / "student", epochs=8, copies=9)
    made = taken("static-int8", cnn, tmp_path / "int8", model=Path(student.path))

    smaller = cnn.model.stat().st_size / Path(made.path).stat().st_size
    drop = lost(cnn, made)
    tell_figure(f"distill + static int8, CNN: {smaller:.1f}x smaller, {-drop * 100:+.1f} points; {student.note}")
    assert smaller >= 25
    assert drop <= 0.002


def test_a_forest_teaches_a_network_that_names_the_same_classes(forest, tmp_path, tell_figure):
    made = taken("distill", forest, tmp_path, epochs=10, copies=5)

    tell_figure(f"distill, forest: {-lost(forest, made) * 100:+.1f} points; {made.note}")
    assert surface(Path(made.path)) == surface(forest.model)
    assert lost(forest, made) <= 0.025
    assert Path(made.path).stat().st_size < forest.model.stat().st_size / 10


def test_training_in_eight_bits_brings_back_what_rounding_lost(cnn, tmp_path, tell_figure):
    uneven = digits.uneven(cnn, tmp_path, factor=300)

    plain = taken("static-int8", uneven, tmp_path / "plain", per_channel="false")
    made = taken("qat", uneven, tmp_path / "qat", per_channel="false", epochs=4)

    before, after = lost(uneven, plain), lost(uneven, made)
    tell_figure(f"qat, uneven CNN, one scale: {-after * 100:+.1f} points, static int8 {-before * 100:+.1f}")
    assert lost(cnn, taken("clean", uneven, tmp_path / "clean")) == 0
    assert before > 0.01
    assert after < before / 3
    assert made.quantisation == plain.quantisation


def test_a_new_head_learns_other_classes_and_the_backbone_stays(cnn, tmp_path, tell_figure):
    with np.load(cnn.train) as arrays:
        np.savez(tmp_path / "train.npz", x=arrays["x"], **{LABEL: arrays[LABEL] % 3})

    made = taken("transfer", replace(cnn, train=tmp_path / "train.npz"), tmp_path / "step", classes=3)

    with np.load(cnn.holdout) as arrays:
        named = run(Path(made.path), {"x": arrays["x"]})["scores"].argmax(1)
        right = float((named == arrays[LABEL] % 3).mean())
    tell_figure(f"transfer, CNN, rest by 3 of digits: {right:.1%} right; {made.note}")
    before, after = weights(cnn.model), weights(Path(made.path))
    changed = [name for name in before if name in after and not np.array_equal(before[name], after[name])]
    assert right > 0.9
    assert len(changed) == 2  # the head's weights and its bias
    assert "frozen: " in made.note
    assert "3 outputs instead of 10" in made.note
    assert onnx.load(made.path).graph.output[0].type.tensor_type.shape.dim[1].dim_value == 3


def test_a_head_learns_the_models_own_classes_anew(cnn, tmp_path):
    made = taken("transfer", cnn, tmp_path)

    assert lost(cnn, made) <= 0.01


def test_an_ending_that_knows_its_classes_takes_no_other_number(tmp_path):
    """As scikit-learn's classifiers end: the place of the highest score, looked up in a table of labels."""
    school = digits.perceptron(tmp_path)
    with np.load(school.train) as arrays:
        np.savez(tmp_path / "others.npz", x=arrays["x"], **{LABEL: arrays[LABEL] + 3})

    with pytest.raises(InvalidInput, match="classes only"):
        taken("transfer", replace(school, train=tmp_path / "others.npz"), tmp_path / "step")


@pytest.mark.parametrize("name", ["prune-channels", "qat", "distill", "transfer"])
def test_a_perceptron_of_scikit_learn_keeps_its_labels(name, tmp_path, tell_figure):
    school = digits.perceptron(tmp_path)

    made = taken(name, school, tmp_path / "step", epochs=6, copies=2)

    tell_figure(f"{name}, scikit-learn's perceptron: {-lost(school, made) * 100:+.1f} points")
    assert surface(Path(made.path)) == surface(school.model)
    assert lost(school, made) <= 0.02


def test_a_forest_of_values_teaches_a_network(tmp_path):
    kept = zoo.forest()
    outputs = tuple(as_value(spec) for spec in kept.contract.outputs)
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    model = kept.save(tmp_path)
    np.savez(tmp_path / "train.npz", x=rows, **{LABEL: run(model, {"x": rows})["scores"]})
    school = School(model, tmp_path / "train.npz", tmp_path, Contract(inputs=kept.contract.inputs, outputs=outputs))

    made = taken("distill", school, tmp_path / "step", epochs=10)

    wanted, given = (run(each, kept.rows)["scores"] for each in (model, Path(made.path)))
    assert 1 - np.square(given - wanted).sum() / np.square(wanted - wanted.mean()).sum() > 0.7
    assert surface(Path(made.path)) == surface(model)


def test_a_quantised_graph_answers_in_torch_as_in_onnx_runtime(cnn, tmp_path):
    import torch

    from edgewright.hub.optimize.steps.training import torching

    quantised = taken("static-int8", cnn, tmp_path)
    graph = torching.of(onnx.load(quantised.path))
    made = torching.network(graph, "scores")

    rows = holdout(cnn)
    with torch.no_grad():
        given = made.module.eval()(torch.from_numpy(rows)).numpy()
    wanted = run(Path(quantised.path), {"x": rows})["scores"]
    assert (given.argmax(1) == wanted.argmax(1)).mean() >= 0.998
    assert np.abs(given - wanted).max() < 0.05 * np.abs(wanted).max()


def test_pytorchs_own_quantiser_keeps_the_answers(cnn, tmp_path, tell_figure):
    made = taken("pt2e", cnn, tmp_path)

    smaller = cnn.model.stat().st_size / Path(made.path).stat().st_size
    tell_figure(f"pt2e, CNN: {smaller:.2f}x smaller, {-lost(cnn, made) * 100:+.1f} points; {made.note}")
    assert surface(Path(made.path)) == surface(cnn.model)
    assert "5 of 5 layers" in made.note
    assert smaller > 3.2
    assert lost(cnn, made) <= 0.004


def test_pytorchs_own_quantiser_says_which_layers_it_left_alone(tmp_path):
    kept = zoo.conv1d()
    context = StepContext(folder=tmp_path, calibration=kept.save_rows(tmp_path))

    made = step("pt2e").apply(kept.save(tmp_path), params_of(StepPlan(name="pt2e")), context)

    assert "1 of 3 layers" in made.note


@pytest.mark.parametrize("name", [*TRAINED, "pt2e"])
def test_a_step_that_trains_keeps_what_every_step_keeps(name, cnn, tmp_path):
    params = {} if name == "pt2e" else {"epochs": 2, "copies": 1}
    plan = StepPlan(name=name, params=params)

    made = check_step(
        plan, cnn.model, cnn.calibration(tmp_path), {"x": holdout(cnn)}, tmp_path, cnn.contract, cnn.train
    )

    assert "torch" in made.tools


@pytest.mark.parametrize("name", [*TRAINED, "pt2e"])
def test_parameters_are_checked(name):
    check_params(name)


@pytest.mark.parametrize("name", [*TRAINED, "pt2e"])
def test_two_processes_write_the_same_bytes(name, cnn, tmp_path):
    made = [asked(name, cnn, tmp_path / each) for each in ("first", "second")]

    assert Path(made[0].path).read_bytes() == Path(made[1].path).read_bytes()


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_gives_other_weights(name, cnn, tmp_path):
    first = taken(name, cnn, tmp_path / "first", **BRIEF)
    second = taken(name, cnn, tmp_path / "second", seed=1, **BRIEF)

    assert Path(first.path).read_bytes() != Path(second.path).read_bytes()


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rows: rows | {LABEL: rows[LABEL] + 5}, "14|12|13|11|10"),
        (lambda rows: rows | {LABEL: rows[LABEL] * 0}, "one class"),
        (lambda rows: {name: array for name, array in rows.items() if name != LABEL}, "no 'label' array"),
        (lambda rows: {name: array[:9] for name, array in rows.items()}, "9 rows"),
    ],
    ids=["labels out of range", "one class", "no truth", "too few rows"],
)
def test_rows_that_teach_nothing_are_refused(name, change, named, cnn, tmp_path):
    with np.load(cnn.train) as arrays:
        np.savez(tmp_path / "train.npz", **change(dict(arrays)))

    classes = {"classes": 10} if name == "transfer" else {}
    with pytest.raises(InvalidInput, match=named):
        taken(name, replace(cnn, train=tmp_path / "train.npz"), tmp_path / "step", **classes)


@pytest.mark.parametrize("name", TRAINED)
def test_training_without_rows_is_refused(name, cnn, tmp_path):
    with pytest.raises(InvalidInput, match="labelled rows"):
        step(name).apply(cnn.model, params_of(StepPlan(name=name)), cnn.context(tmp_path / "step", train=None))


@pytest.mark.parametrize("name", ["qat", "prune-channels", "transfer"])
def test_a_forest_cannot_be_trained(name, forest, tmp_path):
    with pytest.raises(InvalidInput, match="no network"):
        taken(name, forest, tmp_path / "step")


@pytest.mark.parametrize("name", ["qat", "prune-channels", "transfer", "pt2e"])
def test_what_is_quantised_is_trained_no_more(name, cnn, tmp_path):
    quantised = taken("static-int8", cnn, tmp_path / "int8")

    with pytest.raises(InvalidInput, match="quantised already"):
        taken(name, cnn, tmp_path / "step", model=Path(quantised.path))


def test_a_student_takes_one_input(cnn, tmp_path):
    kept = zoo.two_inputs()
    rows = dict(kept.rows) | {LABEL: np.arange(zoo.ROWS) % 4}
    np.savez(tmp_path / "train.npz", **rows)
    school = School(kept.save(tmp_path), tmp_path / "train.npz", tmp_path, kept.contract)

    with pytest.raises(InvalidInput, match="image, columns"):
        step("distill").apply(
            school.model,
            params_of(StepPlan(name="distill")),
            replace(school.context(tmp_path / "step"), calibration=None),
        )


def as_value(spec: TensorSpec) -> TensorSpec:
    return msgspec.structs.replace(spec, kind=Kind.VALUE)


def weights(model: Path) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}


def taken(name: str, school: School, folder: Path, *, model: Path | None = None, **params: object) -> Outcome:
    context = school.context(folder)
    return step(name).apply(model or school.model, params_of(StepPlan(name=name, params=params)), context)


def asked(name: str, school: School, folder: Path) -> Outcome:
    """The step, taken by a child under limits, as the hub does it."""
    context = school.context(folder)
    question = StepQuestion(
        plan=StepPlan(name=name, params={} if name == "pt2e" else BRIEF),
        model=str(school.model),
        calibration=str(context.calibration),
        folder=str(folder),
        contract=school.contract,
        train=str(school.train),
        label_key=LABEL,
        teacher=str(school.model),
    )
    module = "edgewright.hub.optimize.making.stepper"
    return ask(module, question, Outcome, name=f"step {name}", folder=folder, timeout_s=step(name).about.timeout_s)


def holdout(school: School) -> np.ndarray:
    with np.load(school.holdout) as arrays:
        return arrays["x"]


def lost(school: School, made: Outcome) -> float:
    return school.accuracy(school.model) - school.accuracy(Path(made.path))


def faster(school: School, model: Path, calls: int = 300) -> float:
    """How many times faster than the source, taking turns, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = [onnxruntime.InferenceSession(str(each), options) for each in (school.model, model)]
    row = {"x": holdout(school)[:1]}
    taken_s: list[list[float]] = [[], []]
    for _ in range(calls):
        for session, times in zip(sessions, taken_s, strict=True):
            start = time.perf_counter()
            session.run(None, row)
            times.append(time.perf_counter() - start)
    return float(np.median(taken_s[0]) / np.median(taken_s[1]))
