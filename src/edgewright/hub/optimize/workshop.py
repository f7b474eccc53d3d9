"""Does the work of a run on files: lays out rows, has children take steps and measure, keeps results as blobs."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.api import VersionRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import TensorSpec
from edgewright.hub.children import StepFailed, ask
from edgewright.hub.data import HOLDOUT, LABEL, TRAIN, Data, npz
from edgewright.hub.optimize.measuring import Measurement, Rows, Subject, measure_all
from edgewright.hub.optimize.model import Figures, Made, Measured, Outcome, Precision, StepPlan, StepQuestion
from edgewright.hub.optimize.targets import target
from edgewright.hub.registry import Blobs, check_rows, tables_of
from edgewright.hub.registry.inspect import SourceFacts, inspect_source

MAX_CALIBRATION_ROWS = 512
STEP_TIMEOUT_S = 300.0

Arrays = dict[str, np.ndarray]


class Workshop:
    """One folder per run under `work_dir`; everything that outlives a run is a blob. All verbs can be repeated."""

    def __init__(self, data: Data, blobs: Blobs, work_dir: Path) -> None:
        self._data = data
        self._blobs = blobs
        self._work_dir = work_dir

    def prepare(self, run_id: str, version: VersionRecord) -> SourceFacts:
        """Check rows against the contract, lay out those to calibrate on, and look into the source."""
        train = self._data.arrays(version.lineage.snapshot, TRAIN)
        holdout = self._data.arrays(version.lineage.snapshot, HOLDOUT)
        check_rows(train, version.contract.inputs, TRAIN)
        check_rows(holdout, version.contract.inputs, HOLDOUT)
        if LABEL not in holdout:
            raise InvalidInput(f"{HOLDOUT} has no '{LABEL}' array", field=f"{HOLDOUT}.{LABEL}")
        rows = npz.write(calibration_rows(train, version.contract.inputs))
        (self._folder(run_id) / "calibration.npz").write_bytes(rows)
        return inspect_source(self._blobs.path(version.source_sha256))

    def take_step(self, run_id: str, version: VersionRecord, sha256: str, plan: StepPlan) -> Made:
        """Apply one step to the model of that digest; raises StepFailed."""
        calibration = self._folder(run_id) / "calibration.npz"
        folder = _emptied(self._folder(run_id) / plan.name)
        question = StepQuestion(
            plan=plan,
            model=str(self._blobs.path(sha256).resolve()),
            calibration=str(calibration),
            folder=str(folder),
            contract=version.contract,
            tables=self._tables(version),
        )
        outcome = ask(
            "edgewright.hub.optimize.stepper",
            question,
            Outcome,
            name=f"step {plan.name}",
            folder=folder,
            timeout_s=STEP_TIMEOUT_S,
        )
        digest, _ = self._blobs.put_file(folder / Path(outcome.path).name)
        return Made(sha256=digest, notes=(outcome.note,), tools=outcome.tools, quantisation=outcome.quantisation)

    def measure(
        self, run_id: str, version: VersionRecord, sha256: str, precision: Precision, max_drop: float
    ) -> Measured:
        """Measure the variant of that digest against the version's source; raises StepFailed."""
        folder = _emptied(self._folder(run_id) / "measure")
        rows = Rows(
            holdout=str(self._data.file(version.lineage.snapshot, HOLDOUT).resolve()),
            label_key=LABEL,
            contract=version.contract,
            tables=self._tables(version),
        )
        goal = target("cpu-fp32")
        constraints = msgspec.structs.replace(goal.constraints, max_metric_drop=max_drop)
        goal = msgspec.structs.replace(goal, constraints=constraints)
        source, variant = (
            Subject(id=name, model=str(self._blobs.path(digest).resolve()), precision=precision)
            for name, digest in (("source", version.source_sha256), ("variant", sha256))
        )
        first, second = measure_all(source, [variant], rows, goal, folder)
        if second.failure or second.parity is None:
            raise StepFailed(second.failure)
        golden_sha256, _ = self._blobs.put_file(Path(second.golden))
        return Measured(source=_flat(first), variant=_flat(second), parity=second.parity, golden_sha256=golden_sha256)

    def _tables(self, version: VersionRecord) -> dict[str, str]:
        return self._blobs.paths(tables_of(version.contract, version.files))

    def size_bytes(self, sha256: str) -> int:
        """The length of a model."""
        return self._blobs.size(sha256)

    def tidy(self, run_id: str) -> None:
        """Remove the run's folder."""
        shutil.rmtree(self._folder(run_id), ignore_errors=True)

    def _folder(self, run_id: str) -> Path:
        folder = self._work_dir / run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()


def calibration_rows(train: Arrays, inputs: tuple[TensorSpec, ...]) -> Arrays:
    """At most MAX_CALIBRATION_ROWS training rows, spread evenly, in the contract's element types."""
    rows = len(train[inputs[0].name])
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, MAX_CALIBRATION_ROWS)).round().astype(np.int64))
    return {spec.name: train[spec.name][chosen].astype(spec.dtype.value) for spec in inputs}


def _flat(measured: Measurement) -> Figures:
    assert measured.figures is not None  # noqa: S101 (it has no failure)
    quality, timing, memory = measured.figures.quality, measured.figures.timing, measured.figures.memory
    return Figures(
        accuracy=quality.value,
        rows=quality.rows,
        latency_p50_ms=timing.p50_ms,
        latency_p95_ms=timing.p95_ms,
        memory_bytes=memory.peak_bytes,
        baseline_bytes=0,
    )


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
