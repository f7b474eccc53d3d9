"""The training step: one command with the EW_* environment, which leaves model files and metrics.json."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from edgewright import TELEMETRY_OFF
from edgewright.contract.api import FileRef, PipelineDraft, TrainDraft
from edgewright.hub.automate.model import TrainingFailed
from edgewright.hub.data import Data
from edgewright.hub.registry import Blobs
from edgewright.hub.sandbox import run

MEMORY_BYTES = 8 * 1024**3
FILE_BYTES = 4 * 1024**3
MODEL_FILE = "model.onnx"
METRICS_FILE = "metrics.json"


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What a training command left behind."""

    source_sha256: str
    metrics: dict[str, float]
    environment: dict[str, str]


def train(
    pipeline: PipelineDraft,
    draft: TrainDraft,
    parent: Path | None,
    folder: Path,
    *,
    data: Data,
    blobs: Blobs,
    hidden: Sequence[Path] = (),
    on_line: Callable[[str], None],
    is_cancelled: Callable[[], bool] | None = None,
) -> Trained:
    """Run the pipeline's command once in `folder`, which is emptied first, and keep its model.

    EW_INPUT_DIR holds the snapshot's files, EW_MODEL_DIR takes `model.onnx` and `metrics.json`, EW_PARAMS_JSON the
    parameters (with "seed"), EW_PARENT_MODEL the parent's model file or nothing. Of the folders `hidden` the command
    sees its own `folder` and its parent alone. Raises TrainingFailed if the
    command fails, hangs, is cancelled, or leaves no model.
    """
    shutil.rmtree(folder, ignore_errors=True)
    code, inputs, models = (folder / name for name in ("code", "input", "model"))
    for place in (code, inputs, models):
        place.mkdir(parents=True)
    data.materialise(draft.snapshot, inputs)
    _lay_out(pipeline.code, code, blobs)
    params = {"seed": pipeline.seed, **pipeline.params, **draft.params}
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(TELEMETRY_OFF, "1"),
        "EW_INPUT_DIR": str(inputs),
        "EW_MODEL_DIR": str(models),
        "EW_PARAMS_JSON": msgspec.json.encode(params).decode(),
        "EW_PARENT_MODEL": str(parent) if parent else "",
    }
    finished = run(
        shlex.split(pipeline.command),
        cwd=code,
        env=env,
        timeout_s=pipeline.timeout_s,
        memory_bytes=MEMORY_BYTES,
        file_bytes=FILE_BYTES,
        hidden=hidden,
        shown=[folder.resolve(), *([parent.resolve()] if parent else [])],
        on_line=on_line,
        is_cancelled=is_cancelled,
    )
    if not finished.is_ok:
        last = finished.output.strip().splitlines()[-1:] or [""]
        raise TrainingFailed(f"'{pipeline.command}' {finished.explain()}: {last[0][:300]}", field="train.command")
    trained = Trained(source_sha256=_model(models, blobs), metrics=_metrics(models), environment=_environment())
    shutil.rmtree(folder, ignore_errors=True)
    return trained


def _lay_out(files: tuple[FileRef, ...], folder: Path, blobs: Blobs) -> None:
    for file in files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(blobs.path(file.sha256), place)


def _model(folder: Path, blobs: Blobs) -> str:
    path = folder / MODEL_FILE
    if path.is_symlink() or not path.is_file():
        raise TrainingFailed(f"the command left no {MODEL_FILE} in EW_MODEL_DIR", field="train.command")
    return blobs.put_file(path)[0]


def _metrics(folder: Path) -> dict[str, float]:
    path = folder / METRICS_FILE
    if path.is_symlink() or not path.is_file():
        raise TrainingFailed(f"the command left no {METRICS_FILE} in EW_MODEL_DIR", field="train.command")
    try:
        metrics: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TrainingFailed(f"{METRICS_FILE} is not an object of numbers: {error}", field="metrics.json") from error
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingFailed(f"{METRICS_FILE} says {name} = {value}", field=f"metrics.json.{name}")
    return metrics


def _environment() -> dict[str, str]:
    wanted = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx", "torch")
    found = {"python": sys.version.split()[0]}
    for name in wanted:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
