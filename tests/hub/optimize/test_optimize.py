"""From a registered version to a study and its variant, each step and measurement in a real child process."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import sqlalchemy as sa

from edgewright.contract.api import (
    ChoiceDraft,
    ModelFormat,
    Place,
    Precision,
    RunState,
    StudyDraft,
    StudyState,
    TrialState,
)
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.manifest import Calibrator, Integer, Scheme
from edgewright.contract.tensors import Dtype, TensorSpec
from edgewright.hub.children import Cancelled
from edgewright.hub.events import event_table
from edgewright.hub.jobs import run_table
from edgewright.hub.optimize.making.workshop import calibration_rows
from edgewright.hub.optimize.model import NeedsSnapshot, UnknownStudy, UnknownTarget, Unmet
from edgewright.hub.optimize.operators import ToolchainMissing, UnsupportedOperator
from edgewright.hub.optimize.service import KIND
from edgewright.hub.optimize.studies import Studies
from edgewright.hub.provenance import Making
from edgewright.hub.registry import UnknownVersion, check_rows
from plugins import zoo
from plugins.step_checks import answers
from scenes.optimising import ANA, make_room
from scenes.trials import study

STATIC = "clean → static-int8 activations=u8 per_channel=true weights=s8"


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """One for the quick tests of this file: its version was put there without looking into it."""
    room = make_room(tmp_path_factory.mktemp("quick"))
    kept = zoo.mlp()
    rows = {**kept.rows, "label": np.zeros(len(next(iter(kept.rows.values()))), np.int64)}
    room.pretend("wine", kept.model.SerializeToString(), kept.contract, room.snapshot("wine", rows, rows))
    forest = zoo.forest()
    trees = {**forest.rows, "label": np.zeros(len(next(iter(forest.rows.values()))), np.int64)}
    room.pretend("trees", forest.model.SerializeToString(), forest.contract, room.snapshot("trees", trees, trees))
    room.pretend("loose", kept.model.SerializeToString(), kept.contract)
    yield room
    room.db.close()


def test_a_start_queues_one_study_per_target_and_tells_the_audit_log(room):
    runs = room.optimize.start(ANA, "wine", 1, draft("cpu-fp32", "cpu-int8", "cpu-fp32"))

    assert [(run.kind, run.subject, run.state) for run in runs] == [
        (KIND, "wine/1/cpu-fp32", RunState.QUEUED),
        (KIND, "wine/1/cpu-int8", RunState.QUEUED),
    ]
    assert [entry.actor for entry in room.audit.entries() if entry.action == "optimize.start"] == ["ana", "ana"]
    assert {(study.id, study.state) for study in room.optimize.studies("wine", 1)} == {
        (run.id, StudyState.RUNNING) for run in runs
    }


def test_a_study_that_was_cancelled_before_it_began_says_so(room):
    (run,) = room.optimize.start(ANA, "wine", 1, draft("raspberry-pi-5"))
    room.jobs.note(run.id, state=RunState.CANCELLED, ended=True)

    room.events.deliver()

    ended = room.optimize.study("wine", 1, "raspberry-pi-5")
    assert ended.state is StudyState.CANCELLED
    with room.db.write() as connection:
        late = Studies(room.db).grow(connection, msgspec.structs.replace(ended, state=StudyState.DONE))
    assert late == ended == room.optimize.study("wine", 1, "raspberry-pi-5")


def test_one_unknown_target_stops_the_whole_start(room):
    before = runs_of(room)

    with pytest.raises(UnknownTarget):
        room.optimize.start(ANA, "wine", 1, draft("cpu-fp32", "toaster"))

    assert runs_of(room) == before


def test_an_operator_that_a_target_lacks_stops_the_start_and_names_targets_that_have_it(room):
    before = runs_of(room)

    with pytest.raises(UnsupportedOperator, match="TreeEnsembleRegressor is not known to litert") as caught:
        room.optimize.start(ANA, "trees", 1, draft("cpu-fp32", "raspberry-pi-5-litert"))

    assert "cpu-fp32" in caught.value.hint
    assert runs_of(room) == before


def test_a_target_whose_compiler_cannot_be_had_stops_the_start(room):
    with pytest.raises(ToolchainMissing, match="edgetpu_compiler comes only from"):
        room.optimize.start(ANA, "wine", 1, draft("coral-dev-board"))


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"budget_s": 0.0}, "budget_s"),
        ({"budget_s": float("nan")}, "budget_s"),
        ({"size_bytes": -1}, "size_bytes"),
        ({"recipes": ("clean → static-int8 per_chanel=true",)}, "recipe.static-int8"),
        ({"recipes": ("clean → ",)}, "recipes"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(room, wishes, field):
    with pytest.raises(InvalidInput) as caught:
        room.optimize.start(ANA, "wine", 1, StudyDraft(targets=("cpu-int8",), **wishes))

    assert caught.value.field == field


def test_a_step_that_is_not_there_is_refused_with_those_that_are(room):
    with pytest.raises(NotFound, match="there is no step 'shrink'") as caught:
        room.optimize.start(ANA, "wine", 1, StudyDraft(targets=("cpu-int8",), recipes=("clean -> shrink",)))

    assert "static-int8" in caught.value.hint


def test_a_version_without_a_snapshot_cannot_be_measured(room):
    with pytest.raises(NeedsSnapshot) as caught:
        room.optimize.start(ANA, "loose", 1, draft("cpu-fp32"))

    assert caught.value.field == "snapshot"
    assert "edgewright data snapshot" in caught.value.hint


def test_unknown_versions_studies_and_no_target_are_refused(room):
    with pytest.raises(UnknownVersion):
        room.optimize.start(ANA, "wine", 2, draft("cpu-fp32"))
    with pytest.raises(UnknownStudy):
        room.optimize.study("loose", 1, "cpu-fp32")
    with pytest.raises(InvalidInput) as caught:
        room.optimize.start(ANA, "wine", 1, draft())
    assert caught.value.field == "targets"


def test_a_holdout_that_does_not_fit_the_contract_is_refused_by_its_field():
    inputs = (TensorSpec(name="X", dtype=Dtype.FLOAT32, shape=(None, 13)),)
    rows = np.zeros((58, 5), np.float32)

    for arrays, said in (({"X": rows}, "[58, 5]"), ({"Y": rows}, "no array 'X'")):
        with pytest.raises(InvalidInput) as caught:
            check_rows(arrays, inputs, "holdout.npz")

        assert caught.value.field == "holdout.npz.X"
        assert said in caught.value.message


def test_calibration_takes_a_bounded_even_choice_of_rows():
    inputs = (TensorSpec(name="X", dtype=Dtype.FLOAT32, shape=(None, 1)),)
    train = {"X": np.arange(2000.0).reshape(-1, 1), "label": np.zeros(2000, np.int64)}

    rows = calibration_rows(train, inputs)

    assert rows.keys() == {"X"}
    assert rows["X"].shape == (512, 1)
    assert rows["X"].dtype == np.float32
    assert (rows["X"][0, 0], rows["X"][-1, 0]) == (0.0, 1999.0)


def test_only_ended_studies_of_earlier_versions_with_the_same_operators_are_a_familys_history(room):
    kept = zoo.mlp()
    data = kept.model.SerializeToString()
    for parent in range(4):
        room.pretend("kin", data, kept.contract, parent=parent)
    studies = Studies(room.db)
    with room.db.write() as connection:
        for version, state, op_types in ((1, "done", ["Gemm"]), (2, "done", ["Conv"]), (3, "cancelled", ["Gemm"])):
            of = {"id": f"optimize-k{version}", "model": "kin", "version": version, "state": StudyState(state)}
            studies.begin(connection, study(target="cpu-int8", **of))
            studies.note_family(connection, of["id"], op_types)

    assert [one.id for one in studies.family("kin", 4, "cpu-int8", ["Gemm"])] == ["optimize-k1"]
    assert studies.family("kin", 1, "cpu-int8", ["Gemm"]) == []
    assert studies.family("kin", 4, "cpu-fp32", ["Gemm"]) == []


# Real studies.


@pytest.fixture(scope="module")
def works(tmp_path_factory, digits, wine):
    """A room with both models registered, each with its rows."""
    room = make_room(tmp_path_factory.mktemp("works"))
    room.register("digits", digits)
    room.register("wine", wine)
    yield room
    room.db.close()


@pytest.fixture(scope="module")
def int8(works):
    """A study of the digits network: a small one, which answers in about 20 µs."""
    recipes = ("clean", STATIC, f"clean → prune ratio=0.2 → {STATIC.removeprefix('clean → ')}", "clean → clean")
    study, context = works.optimise("digits", "cpu-int8", recipes=recipes)
    return study, context


@pytest.mark.e2e
def test_a_study_tells_every_trial_with_its_figures_and_where_they_come_from(int8, works):
    study, context = int8

    assert study.state is StudyState.DONE
    assert [trial.id for trial in study.trials] == ["t0", "t1", "t2", "t3", "t4"]
    source, clean, static, _, again = study.trials
    assert (again.state, again.reason) == (TrialState.SKIPPED, "not measured: the same bytes as t1")
    assert source.recipe == ()
    assert source.figures.size_bytes == works.registry.version("digits", 1).source_bytes
    assert clean.precision is Precision.FP32
    assert static.state is TrialState.KEPT
    assert static.figures.size_bytes * 3.2 < source.figures.size_bytes
    assert static.figures.timing.place is static.figures.memory.place is Place.HUB
    assert 0 < static.figures.timing.p50_ms <= static.figures.timing.p95_ms
    assert static.figures.memory.peak_bytes > 10_000_000
    assert static.tools.keys() >= {"numpy", "onnx", "onnxruntime"}
    assert static.quantisation.scheme is Scheme.STATIC
    assert (static.quantisation.weights, static.quantisation.activations) == (Integer.S8, Integer.U8)
    assert static.quantisation.calibrator is Calibrator.MIN_MAX
    assert context.steps[:-2] == ["plan", "make t1", "make t2", "make t3", "make t4", "measure t1–t4"]
    assert context.steps[-2:] == [f"rehearse {study.recommended}", "save"]
    assert "golden vectors hold on onnxruntime" in "\n".join(study.reasons)
    assert f"t2 {STATIC}: " in context.log
    assert not list((works.folder / "work").glob("*"))


@pytest.mark.e2e
def test_what_is_recommended_is_neither_slower_nor_larger_than_the_source_and_becomes_the_variant(int8, works):
    study, _ = int8

    best = next(trial for trial in study.trials if trial.id == study.recommended)
    variant = works.variant("digits", "cpu-int8")
    source = study.trials[0].figures
    assert study.chosen == study.recommended == variant.trial
    assert best.figures.size_bytes <= source.size_bytes
    assert best.figures.timing.p50_ms <= best.source_timing.p50_ms
    assert best.figures.timing.p95_ms <= best.source_timing.p95_ms
    assert (variant.sha256, variant.study, variant.format) == (best.sha256, study.id, ModelFormat.ONNX)
    assert f"{study.recommended} (" in study.reasons[0]
    assert ("registry.variant_added", "digits/1/cpu-int8") in events_of(works)


@pytest.mark.e2e
def test_another_trial_of_the_front_can_be_chosen_and_no_other(int8, works):
    study, _ = int8
    front = [trial for trial in study.trials if trial.is_on_front]
    smallest = min(front, key=lambda trial: trial.figures.size_bytes)

    planned = works.optimize.choose(ANA, "digits", 1, "cpu-int8", ChoiceDraft(trial=smallest.id), dry_run=True)
    chosen = works.optimize.choose(ANA, "digits", 1, "cpu-int8", ChoiceDraft(trial=smallest.id, why="flash is dear"))

    assert planned.sha256 == chosen.sha256 == smallest.sha256
    assert works.variant("digits", "cpu-int8").trial == smallest.id
    assert works.optimize.study("digits", 1, "cpu-int8").chosen == smallest.id
    entry = next(entry for entry in works.audit.entries() if entry.action == "optimize.choose")
    assert (entry.actor, entry.subject) == ("ana", "digits/1/cpu-int8")
    with pytest.raises(InvalidInput, match="'t4' is not on the front"):
        works.optimize.choose(ANA, "digits", 1, "cpu-int8", ChoiceDraft(trial="t4"))


@pytest.mark.e2e
def test_what_a_variant_was_made_of_is_stated(int8, works):
    variant = works.variant("digits", "cpu-int8")
    version = works.registry.version("digits", 1)

    attested = works.provenance.find(Making.OPTIMISATION, "digits@1/cpu-int8", variant.sha256)

    snapshot = works.data.snapshot(version.lineage.snapshot)
    assert attested.made_of == {"digits@1": version.source_sha256, f"data/{snapshot.id}": snapshot.digest}
    said = attested.statement.predicate
    assert said.build_definition.internal_parameters["recipe"] == list(variant.recipe)
    assert said.build_definition.internal_parameters["quantisation"] == msgspec.to_builtins(variant.quantisation)
    assert said.run_details.metadata.invocation_id == f"{variant.study}/{variant.trial}"
    assert said.run_details.builder.version.keys() >= {"edgewright"}


@pytest.mark.e2e
def test_a_variant_has_golden_vectors_with_its_own_answers(int8, works):
    variant = works.variant("digits", "cpu-int8")

    golden = safetensors.numpy.load(works.blobs.path(variant.golden_sha256).read_bytes())

    assert golden.keys() >= {"in:X", "out:label", "out:probabilities"}
    answered = answers(works.blobs.path(variant.sha256), golden["in:X"])
    assert np.array_equal(answered["label"], golden["out:label"])
    assert np.array_equal(answered["probabilities"], golden["out:probabilities"])


@pytest.mark.e2e
def test_the_same_input_gives_the_same_digests_with_the_cache_and_without(int8, works):
    first, _ = int8

    cached, _ = works.optimise("digits", "raspberry-pi-5", recipes=(STATIC,))
    anew, _ = works.optimise("digits", "cpu-int8", recipes=(STATIC,), use_cache=False)

    assert first.trials[2].sha256 == cached.trials[1].sha256 == anew.trials[1].sha256
    assert first.trials[2].golden_sha256 == anew.trials[1].golden_sha256
    assert (cached.trials[1].is_cached, anew.trials[1].is_cached) == (True, False)


@pytest.mark.e2e
def test_a_float_target_keeps_every_answer(works):
    study, _ = works.optimise("digits", "cpu-fp32")

    variant = works.variant("digits", "cpu-fp32")
    assert [trial.recipe for trial in study.trials] == [(), ("clean",)]
    assert variant.parity <= 1e-4
    assert variant.accuracy == variant.source_accuracy


@pytest.mark.e2e
def test_a_forest_stays_float_on_an_int8_target_and_says_why(works):
    study, _ = works.optimise("wine", "cpu-int8")

    assert works.variant("wine", "cpu-int8").precision is Precision.FP32
    skipped = [trial for trial in study.trials if trial.state is TrialState.SKIPPED]
    assert any("nothing to quantise" in trial.reason for trial in skipped)


@pytest.mark.e2e
def test_a_constraint_that_nothing_meets_is_named_and_no_variant_is_saved(works):
    with pytest.raises(Unmet, match="size_bytes binds") as caught:
        works.optimise("wine", "cpu-fp32", size_bytes=1000)

    study = works.optimize.study("wine", 1, "cpu-fp32")
    assert study.state is StudyState.UNMET
    assert (study.recommended, study.chosen) == ("", "")
    assert works.variant("wine", "cpu-fp32") is None
    assert "at most 1,000 bytes" in caught.value.message


@pytest.mark.e2e
def test_a_budget_that_is_spent_starts_no_new_trial_and_what_was_found_counts(works):
    study, _ = works.optimise("digits", "raspberry-pi-4", recipes=("clean", STATIC), budget_s=0.001)

    assert study.state is StudyState.DONE
    assert study.trials[1].state is TrialState.KEPT or study.trials[1].state is TrialState.FAILED
    assert study.trials[2].state is TrialState.SKIPPED
    assert study.trials[2].reason == "not tried: the budget was spent"
    assert works.variant("digits", "raspberry-pi-4") is not None


@pytest.mark.e2e
def test_a_cancelled_study_ends_in_the_middle_of_a_step(works, monkeypatch):
    from scenes.optimising import Straight

    (run,) = works.optimize.start(ANA, "wine", 1, draft("raspberry-pi-5"))
    context = Straight(run.id, {"model": "wine", "version": 1, "target": "raspberry-pi-5"}, is_cancelled=lambda: True)

    with pytest.raises(Cancelled):
        works.optimize.body(context)


@pytest.mark.e2e
def test_a_dry_run_says_what_would_be_tried_and_starts_nothing(works):
    before = runs_of(works)

    (planned,) = works.optimize.start(ANA, "digits", 1, draft("cpu-int8"), dry_run=True)

    assert planned.subject == "digits/1/cpu-int8"
    assert f"try {STATIC}: " in planned.log
    assert runs_of(works) == before


def draft(*targets: str) -> StudyDraft:
    return StudyDraft(targets=targets)


def events_of(room) -> list[tuple[str, str]]:
    with room.db.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(event_table.c.kind, event_table.c.subject))]


def runs_of(room) -> int:
    with room.db.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(run_table)) or 0
