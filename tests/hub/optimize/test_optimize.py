"""From a registered version to measured variants, each step and measurement in a real child process."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors.numpy
import sqlalchemy as sa
from edgewright.hub.optimize.workshop import MAX_CALIBRATION_ROWS, calibration_rows

from edgewright.contract.api import FileRef, Role, RunState, SnapshotDraft, StudyDraft, VersionDraft
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.contract.tensors import Dtype, TensorSpec
from edgewright.hub.data import Data, npz
from edgewright.hub.db import Database, metadata
from edgewright.hub.events import Events, event_table
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.jobs import Jobs, run_table
from edgewright.hub.optimize.model import NeedsSnapshot, UnknownTarget
from edgewright.hub.optimize.service import KIND, Optimize, Work
from edgewright.hub.optimize.targeting import Targets
from edgewright.hub.provenance import Making, Provenance
from edgewright.hub.registry import Blobs, Registry, UnknownVersion, check_rows
from plugins.step_checks import answers


@dataclass(frozen=True)
class Room:
    """Optimise and the rooms that it stands on."""

    optimize: Optimize
    provenance: Provenance
    registry: Registry
    data: Data
    blobs: Blobs
    audit: Audit
    db: Database
    work_dir: Path

    def register(self, name, trained, *, has_snapshot=True):
        """Register a trained model, with its rows as a snapshot."""
        files = tuple(
            FileRef(path=path, sha256=self.blobs.put_bytes(rows), size_bytes=len(rows))
            for path, rows in (("train.npz", npz.write(trained.train)), ("holdout.npz", npz.write(trained.holdout)))
        )
        snapshot = self.data.create(ANA, SnapshotDraft(dataset=name, files=files)).id if has_snapshot else ""
        source, _ = self.blobs.put_file(trained.path)
        self.registry.register(ANA, name, VersionDraft(source_sha256=source, snapshot=snapshot))

    def optimise(self, model, target):
        """Perform a run in this thread; returns the variant and what was reported meanwhile."""
        context = Straight(Work(model=model, version=1, target=target))
        self.optimize.body(context)
        variant = next(v for v in self.registry.variants(model, 1) if v.target == target)
        return variant, context.reported


class Straight:
    """A run's context that does each step once, in this thread: what `jobs.RunContext` is without a crash."""

    def __init__(self, work: Work) -> None:
        self.id = f"run-{work.target}"
        self.args = {"model": work.model, "version": work.version, "target": work.target}
        self.started_at = 900.0
        self.reported: list[str] = []

    def step(self, name, act, *args):
        return act(*args)

    def report(self, step, fraction=None, *, state=RunState.RUNNING, log=""):
        self.reported.append(step)


ANA = Principal(name="ana", roles=(Role.ENGINEER,))


@pytest.fixture(scope="module")
def room(tmp_path_factory, digits, wine) -> Iterator[Room]:
    """One for all tests of this file, with both models registered: each registration costs two processes."""
    folder = tmp_path_factory.mktemp("hub")
    clock = itertools.count(1_000.0).__next__
    db = Database(f"sqlite:///{folder / 'hub.sqlite'}")
    metadata.create_all(db.engine)
    keys = Keys(folder / "keys")
    events, audit, blobs = Events(db, clock), Audit(db, clock, keys.audit), Blobs(folder / "blobs")
    provenance = Provenance(db, clock, blobs, keys.audit)
    data = Data(db, events, audit, clock, blobs)
    registry = Registry(db, events, audit, clock, blobs, data.rows)
    jobs = Jobs(db, events, clock)
    optimize = Optimize(
        db, events, audit, clock, registry, data, blobs, jobs, provenance, Targets(db, audit, clock), folder / "work"
    )
    room = Room(optimize, provenance, registry, data, blobs, audit, db, folder / "work")
    room.register("digits", digits)
    room.register("wine", wine)
    yield room
    db.close()


@pytest.fixture(scope="module")
def int8(room):
    return room.optimise("digits", "cpu-int8")


@pytest.mark.e2e
def test_a_variant_says_how_it_was_quantised(int8, room):
    variant, _ = int8

    rows = room.data.arrays("digits@1", "train.npz")["X"]
    assert variant.quantisation == Quantisation(
        scheme=Scheme.STATIC,
        weights=Integer.S8,
        activations=Integer.U8,
        is_per_channel=True,
        calibrator=Calibrator.MIN_MAX,
        calibration_rows=min(len(rows), MAX_CALIBRATION_ROWS),
    )


@pytest.mark.e2e
def test_what_a_variant_was_made_of_is_stated(int8, room):
    variant, _ = int8
    version = room.registry.version("digits", 1)

    attested = room.provenance.find(Making.OPTIMISATION, "digits@1/cpu-int8", variant.sha256)

    snapshot = room.data.snapshot(version.lineage.snapshot)
    assert attested.made_of == {"digits@1": version.source_sha256, f"data/{snapshot.id}": snapshot.digest}
    said = attested.statement.predicate
    assert said.build_definition.internal_parameters["recipe"] == list(variant.recipe)
    assert said.build_definition.internal_parameters["quantisation"] == msgspec.to_builtins(variant.quantisation)
    assert said.run_details.metadata.invocation_id == "run-cpu-int8"
    assert said.run_details.builder.version.keys() >= {"onnx", "onnxruntime", "edgewright"}


@pytest.mark.e2e
def test_a_network_becomes_a_small_int8_variant_that_keeps_its_classes(int8, digits):
    variant, reported = int8

    lost = (variant.source_accuracy - variant.accuracy) * 100
    print(f"digits: {variant.source_bytes / variant.size_bytes:.2f} times smaller, {lost:+.2f} points lost")  # noqa: T201
    assert variant.is_parity_kept
    assert variant.parity >= 0.98
    assert variant.recipe[-1] == "static-int8 activations=u8 per_channel=True weights=s8"
    assert variant.size_bytes * 3.2 < variant.source_bytes == digits.path.stat().st_size
    assert [reported[0], reported[-1]] == ["prepare", "save"]
    assert {"clean", "static-int8", "measure"} <= set(reported)


@pytest.mark.e2e
def test_a_variant_says_what_it_costs_and_what_made_it(int8, room):
    variant, _ = int8

    assert 0 < variant.latency_p50_ms <= variant.latency_p95_ms
    assert variant.memory_bytes > 10_000_000
    assert variant.tools.keys() == {"numpy", "onnx", "onnxruntime"}
    assert "times smaller than the source and" in variant.reasons[-1]
    assert ("registry.variant_added", "digits/1/cpu-int8") in events_of(room)
    assert not list(room.work_dir.glob("*"))


@pytest.mark.e2e
def test_a_variant_has_golden_vectors_with_its_own_answers(int8, room):
    variant, _ = int8

    golden = safetensors.numpy.load(room.blobs.path(variant.golden_sha256).read_bytes())

    assert golden.keys() == {"in:X", "out:label", "out:probabilities", "float:label", "float:probabilities"}
    assert len(golden["in:X"]) == 32
    answered = answers(room.blobs.path(variant.sha256), golden["in:X"])
    assert np.array_equal(answered["label"], golden["out:label"])
    assert np.array_equal(answered["probabilities"], golden["out:probabilities"])


@pytest.mark.e2e
def test_the_same_input_gives_the_same_digests(int8, room):
    first, _ = int8

    second, _ = room.optimise("digits", "cpu-int8")

    assert (first.sha256, first.golden_sha256) == (second.sha256, second.golden_sha256)
    assert [variant.target for variant in room.registry.variants("digits", 1)].count("cpu-int8") == 1


@pytest.mark.e2e
def test_a_float_target_keeps_every_answer(room):
    variant, _ = room.optimise("digits", "cpu-fp32")

    assert variant.recipe == ("clean",)
    assert variant.parity <= 1e-4
    assert variant.accuracy == variant.source_accuracy


@pytest.mark.e2e
def test_a_forest_stays_float_on_an_int8_target_and_says_why(room):
    variant, _ = room.optimise("wine", "cpu-int8")

    assert variant.recipe == ("clean",)
    assert variant.is_parity_kept
    assert "a tree ensemble has no weights to quantise: kept fp32" in variant.reasons


@pytest.mark.e2e
def test_a_recipe_that_breaks_parity_gives_way_to_the_next_one(room, digits):
    misleading = {"X": digits.train["X"] * 1e-4, "label": digits.train["label"]}
    room.register("dark", dataclasses.replace(digits, train=misleading))

    variant, _ = room.optimise("dark", "cpu-int8")

    assert variant.is_parity_kept
    assert variant.recipe == ("clean",)
    given_up = [reason for reason in variant.reasons if "was tried and not kept" in reason]
    assert len(given_up) == 2
    assert "agrees with the source on" in given_up[0]


def test_a_start_queues_one_run_per_target_and_tells_the_audit_log(room):
    runs = room.optimize.start(ANA, "wine", 1, draft("cpu-fp32", "cpu-int8", "cpu-fp32"))

    assert [(run.kind, run.subject, run.state) for run in runs] == [
        (KIND, "wine/1/cpu-fp32", RunState.QUEUED),
        (KIND, "wine/1/cpu-int8", RunState.QUEUED),
    ]
    assert [entry.actor for entry in room.audit.entries() if entry.action == "optimize.start"] == ["ana", "ana"]


def test_a_dry_run_says_what_would_run_and_starts_nothing(room):
    before = runs_of(room)

    (planned,) = room.optimize.start(ANA, "wine", 1, draft("cpu-int8"), dry_run=True)

    assert planned.subject == "wine/1/cpu-int8"
    assert runs_of(room) == before


def test_one_unknown_target_stops_the_whole_start(room):
    before = runs_of(room)

    with pytest.raises(UnknownTarget):
        room.optimize.start(ANA, "wine", 1, draft("cpu-fp32", "toaster"))

    assert runs_of(room) == before


def test_a_version_without_a_snapshot_cannot_be_measured(room, wine):
    room.register("loose", wine, has_snapshot=False)

    with pytest.raises(NeedsSnapshot) as caught:
        room.optimize.start(ANA, "loose", 1, draft("cpu-fp32"))

    assert caught.value.field == "snapshot"
    assert "edgewright data snapshot" in caught.value.hint


def test_an_unknown_version_and_no_target_are_refused(room):
    with pytest.raises(UnknownVersion):
        room.optimize.start(ANA, "wine", 2, draft("cpu-fp32"))
    with pytest.raises(InvalidInput) as caught:
        room.optimize.start(ANA, "wine", 1, draft())
    assert caught.value.field == "targets"


def test_a_holdout_that_does_not_fit_the_contract_is_refused_by_its_field(wine):
    inputs = (TensorSpec(name="X", dtype=Dtype.FLOAT32, shape=(None, 13)),)

    for arrays, said in (({"X": wine.holdout["X"][:, :5]}, "[58, 5]"), ({"Y": wine.holdout["X"]}, "no array 'X'")):
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


def draft(*targets: str) -> StudyDraft:
    return StudyDraft(targets=targets)


def events_of(room) -> list[tuple[str, str]]:
    with room.db.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(event_table.c.kind, event_table.c.subject))]


def runs_of(room) -> int:
    with room.db.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(run_table)) or 0
