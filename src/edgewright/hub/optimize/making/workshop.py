"""Does the work of a study on files: lays out rows, has children take steps and measure, keeps results as blobs."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.api import Metric, ModelFormat, Target, VersionRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import TensorSpec
from edgewright.hub.children import StepFailed, ask
from edgewright.hub.data import HOLDOUT, LABEL, TRAIN, Data, npz
from edgewright.hub.optimize.making.cache import StepResults, key_of, versions_of
from edgewright.hub.optimize.measuring import Measurement, Rehearsal, Rows, Subject, confirm, measure_all, metric_of
from edgewright.hub.optimize.model import Made, Outcome, StepPlan, StepQuestion, loosest
from edgewright.hub.optimize.steps import About, params_of
from edgewright.hub.registry import Blobs, check_rows, tables_of
from edgewright.hub.registry.inspect import SourceFacts, inspect_source

MAX_CALIBRATION_ROWS = 512
STEPPER = "edgewright.hub.optimize.making.stepper"

Arrays = dict[str, np.ndarray]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version before the search begins."""

    facts: SourceFacts
    format: ModelFormat
    has_labels: bool  # the training rows have the truth


@dataclass(frozen=True)
class Site:
    """Where and for whom work is done: a study's run, its version, and whether it has been cancelled."""

    run_id: str
    version: VersionRecord
    is_cancelled: Callable[[], bool]

    @property
    def snapshot(self) -> str:
        """The rows' snapshot, by id."""
        return self.version.lineage.snapshot


class Workshop:
    """One folder per run under `work_dir`; everything that outlives a run is a blob. All verbs can be repeated."""

    def __init__(
        self,
        data: Data,
        blobs: Blobs,
        results: StepResults,
        toolchains: Callable[[], Mapping[str, Path]],
        clock: Callable[[], float],
        work_dir: Path,
    ) -> None:
        self._data = data
        self._blobs = blobs
        self._results = results
        self._toolchains = toolchains
        self._clock = clock
        self._work_dir = work_dir

    def toolchains(self) -> Mapping[str, Path]:
        """The Pythons of the toolchains that are installed, by name."""
        return self._toolchains()

    def prepare(self, site: Site) -> Prepared:
        """Check rows against the contract and look into the source; raises InvalidInput."""
        version = site.version
        train, holdout = (self._data.arrays(site.snapshot, name) for name in (TRAIN, HOLDOUT))
        check_rows(train, version.contract.inputs, TRAIN)
        check_rows(holdout, version.contract.inputs, HOLDOUT)
        if LABEL not in holdout and metric_of(version.contract) is not Metric.COSINE:
            raise InvalidInput(f"{HOLDOUT} has no '{LABEL}' array", field=f"{HOLDOUT}.{LABEL}")
        facts = self.source_facts(version)
        return Prepared(facts=facts, format=facts.format, has_labels=LABEL in train)

    def source_facts(self, version: VersionRecord) -> SourceFacts:
        """What a version's source holds, looked into by a process of its own. Raises InvalidInput."""
        return inspect_source(self._blobs.path(version.source_sha256))

    def take_step(
        self, site: Site, made: Made, plan: StepPlan, about: About, *, timeout_s: float, use_cache: bool
    ) -> Made:
        """Apply one step to what was made so far. Raises InvalidInput where the step refuses, StepFailed where it
        crashes, hangs or takes too much memory, and Cancelled.
        """
        calibration = self._calibration(site)
        key = self._key(site, made, plan, about, calibration)
        found = self._results.find(key) if use_cache else None
        if found is not None and self._blobs.exists(found.sha256):
            return _after(made, msgspec.structs.replace(found, is_cached=made.is_cached, seconds=0.0))
        started = time.monotonic()
        outcome, folder = self._ask(site, made, plan, about, calibration, timeout_s)
        sha256, _ = self._blobs.put_file(_left(outcome, folder, plan.name))
        shutil.rmtree(folder, ignore_errors=True)
        done = Made(
            sha256=sha256,
            notes=(f"{plan.name}: {outcome.note}",),
            tools=outcome.tools,
            quantisation=outcome.quantisation,
            format=outcome.format,
            precision=outcome.precision or about.precision,
            answers_as=made.sha256 if about.is_opaque else "",
            estimates=outcome.estimates,
            seconds=time.monotonic() - started,
        )
        self._results.keep(key, plan.name, done, self._clock())
        return _after(made, done)

    def measure(
        self,
        site: Site,
        source: Subject,
        subjects: Sequence[Subject],
        goal: Target,
        parent: str,
        progress: Callable[[int, int], None],
    ) -> tuple[Measurement, ...]:
        """Measure subjects, whose `model` is a digest, in turns with the source, which comes first in the answer.

        `parent` is the digest of what devices of that target run now, or "". Golden vectors come back as digests.
        """
        rows = self._rows(site)
        folder = _emptied(self._folder(site.run_id) / "measure")
        first, *others = (self._laid_out(subject) for subject in (source, *subjects))
        before = self._blobs.path(parent).resolve() if parent else None
        measured = measure_all(
            first, others, rows, goal, folder, parent=before, progress=progress, is_cancelled=site.is_cancelled
        )
        return tuple(
            msgspec.structs.replace(each, golden=self._blobs.put_file(Path(each.golden))[0] if each.golden else "")
            for each in measured
        )

    def rehearse(self, site: Site, subject: Subject, golden_sha256: str, goal: Target) -> tuple[Rehearsal, ...]:
        """Run a subject's golden vectors, whose `model` is a digest, wherever this machine can."""
        folder = _emptied(self._folder(site.run_id) / "rehearse")
        golden = self._blobs.path(golden_sha256).resolve()
        tools = self._toolchains()
        laid_out, rows = self._laid_out(subject), self._rows(site)
        return confirm(laid_out, rows, golden, goal, folder, tools, is_cancelled=site.is_cancelled)

    def size_bytes(self, sha256: str) -> int:
        """The length of a model."""
        return self._blobs.size(sha256)

    def tidy(self, run_id: str) -> None:
        """Remove the run's folder."""
        shutil.rmtree(self._folder(run_id), ignore_errors=True)

    def _ask(
        self, site: Site, made: Made, plan: StepPlan, about: About, calibration: Path, timeout_s: float
    ) -> tuple[Outcome, Path]:
        folder = _emptied(self._folder(site.run_id) / plan.name)
        version = site.version
        question = StepQuestion(
            plan=plan,
            model=str(self._blobs.path(made.sha256).resolve()),
            calibration=str(calibration),
            folder=str(folder),
            contract=version.contract,
            tables=self._tables(version),
            train=str(self._data.file(site.snapshot, TRAIN).resolve()),
            label_key=LABEL,
            teacher=str(self._blobs.path(version.source_sha256).resolve()),
            seed=version.lineage.seed,
            toolchains={name: str(python) for name, python in self._toolchains().items()},
        )
        outcome = ask(
            STEPPER,
            question,
            Outcome,
            name=f"step {plan.name}",
            folder=folder,
            timeout_s=min(about.timeout_s, timeout_s),
            memory_bytes=about.memory_bytes,
            is_cancelled=site.is_cancelled,
        )
        return outcome, folder

    def _key(self, site: Site, made: Made, plan: StepPlan, about: About, calibration: Path) -> str:
        version = site.version
        seen = hashlib.sha256(calibration.read_bytes())
        seen.update(msgspec.json.encode([version.contract, self._tables_sha256(version)], order="deterministic"))
        if about.is_training:
            files = {file.path: file.sha256 for file in self._data.readable(site.snapshot).files}
            seen.update(f"{files.get(TRAIN, '')} {version.source_sha256}".encode())
        versions = versions_of(plan.name, about, self._toolchains())
        return key_of(plan, params_of(plan), made.sha256, seen.hexdigest(), versions, version.lineage.seed)

    def _calibration(self, site: Site) -> Path:
        """The rows to calibrate on, laid out once."""
        path = self._folder(site.run_id) / "calibration.npz"
        if not path.exists():
            train = self._data.arrays(site.snapshot, TRAIN)
            whole = path.with_suffix(".part")
            whole.write_bytes(npz.write(calibration_rows(train, site.version.contract.inputs)))
            whole.replace(path)
        return path

    def _rows(self, site: Site) -> Rows:
        return Rows(
            holdout=str(self._data.file(site.snapshot, HOLDOUT).resolve()),
            label_key=LABEL,
            contract=site.version.contract,
            tables=self._tables(site.version),
        )

    def _laid_out(self, subject: Subject) -> Subject:
        stands_in = str(self._blobs.path(subject.answers_as).resolve()) if subject.answers_as else ""
        model = str(self._blobs.path(subject.model).resolve())
        return msgspec.structs.replace(subject, model=model, answers_as=stands_in)

    def _tables(self, version: VersionRecord) -> dict[str, str]:
        return self._blobs.paths(self._tables_sha256(version))

    def _tables_sha256(self, version: VersionRecord) -> dict[str, str]:
        return tables_of(version.contract, version.files)

    def _folder(self, run_id: str) -> Path:
        folder = self._work_dir / run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()


def calibration_rows(train: Arrays, inputs: tuple[TensorSpec, ...]) -> Arrays:
    """At most MAX_CALIBRATION_ROWS training rows, spread evenly, in the contract's element types."""
    rows = len(train[inputs[0].name])
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, MAX_CALIBRATION_ROWS)).round().astype(np.int64))
    return {spec.name: train[spec.name][chosen].astype(spec.dtype.value) for spec in inputs}


def _after(before: Made, step: Made) -> Made:
    """What a recipe has made once another step is done."""
    return Made(
        sha256=step.sha256,
        notes=before.notes + step.notes,
        tools=before.tools | step.tools,
        quantisation=step.quantisation or before.quantisation,
        format=step.format,
        precision=loosest((before.precision, step.precision)),
        answers_as=step.answers_as,
        estimates=before.estimates | step.estimates,
        seconds=before.seconds + step.seconds,
        is_cached=step.is_cached,
    )


def _left(outcome: Outcome, folder: Path, step: str) -> Path:
    """The file that a step left; raises StepFailed for anything but a file of its own in its folder."""
    path = folder / Path(outcome.path).name
    if path.parent != folder or path.is_symlink() or not path.is_file():
        raise StepFailed(f"step {step} left no file '{outcome.path[-200:]}' in its folder")
    return path


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
