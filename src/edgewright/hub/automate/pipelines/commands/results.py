"""What a training command left: model and metrics, read as what a stranger wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from edgewright.contract.api import FileRef
from edgewright.contract.api.tasks import Finished
from edgewright.hub.automate.pipelines.commands.searching import searched
from edgewright.hub.automate.pipelines.commands.tasks import MODEL
from edgewright.hub.automate.pipelines.model import TrainingFailed
from edgewright.hub.registry import Blobs

MODELS = ("model.onnx", "model.tflite")
METRICS = "metrics.json"
MAX_METRICS_BYTES = 1024 * 1024
MAX_METRICS = 1000
PICKLES = (".joblib", ".pkl", ".pickle", ".pt", ".pth", ".bin")
ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".npz")


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What a training left behind."""

    source_sha256: str
    metrics: dict[str, float]
    environment: dict[str, str] = {}
    where: str = ""


def check_ended(finished: Finished, command: str, field: str) -> None:
    """Raise TrainingFailed unless the command ended well, with the last line that it wrote."""
    if not finished.is_ok:
        last = finished.output.strip().splitlines()[-1:] or [""]
        raise TrainingFailed(f"'{command}' {finished.reason}: {last[0][:300]}", field=field)


def model_of(files: Sequence[FileRef], field: str) -> str:
    """The digest of the model file; raises TrainingFailed, which knows what people often leave instead."""
    left = {file.path.removeprefix(f"{MODEL}/"): file for file in files if file.path.startswith(f"{MODEL}/")}
    for name in MODELS:
        if name in left:
            return left[name].sha256
    said = f"the command left no {MODELS[0]} in EW_MODEL_DIR"
    if not left:
        raise TrainingFailed(said, field=field)
    raise TrainingFailed(f"{said}, but {', '.join(sorted(left)[:5])}", field=field, hint=_hint(left))


def metrics_of(
    finished: Finished, expressions: Mapping[str, str], blobs: Blobs, field: str, is_cancelled: Callable[[], bool]
) -> dict[str, float]:
    """The metrics, from metrics.json or else found in the output; raises TrainingFailed for what is no number."""
    path = f"{MODEL}/{METRICS}"
    file = next((file for file in finished.outputs if file.path == path), None)
    if file is not None:
        return _finite(_read(file, blobs), METRICS)
    if not expressions:
        raise TrainingFailed(f"the command left no {METRICS} in EW_MODEL_DIR", field=field)
    return _finite(searched(finished.output, expressions, is_cancelled), "metrics")


def _read(file: FileRef, blobs: Blobs) -> dict[str, float]:
    if file.size_bytes > MAX_METRICS_BYTES:
        raise TrainingFailed(f"{METRICS} has {file.size_bytes:,} bytes", field=METRICS)
    try:
        return msgspec.json.decode(blobs.path(file.sha256).read_bytes(), type=dict[str, float])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TrainingFailed(f"{METRICS} is not an object of numbers: {error}", field=METRICS) from error


def _finite(metrics: dict[str, float], where: str) -> dict[str, float]:
    if len(metrics) > MAX_METRICS:
        raise TrainingFailed(f"{where} has {len(metrics):,} entries, more than {MAX_METRICS}", field=where)
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingFailed(f"{where} says {name} = {value}", field=f"{where}.{name}")
    return metrics


def _hint(left: Mapping[str, FileRef]) -> str:
    suffixes = {"".join(PurePosixPath(name).suffixes[-2:]) for name in left} | {PurePosixPath(n).suffix for n in left}
    if suffixes & set(PICKLES):
        return "Pickles are never loaded: let the script write model.onnx too, as with skl2onnx or torch.onnx.export."
    if suffixes & set(ARCHIVES):
        return "Archives are not unpacked: write model.onnx itself into EW_MODEL_DIR."
    return "Write the model as model.onnx (or model.tflite)."
