"""Looks into a model file that somebody uploads, without trusting it.

What can be told from sizes and first bytes is told here; everything else happens in `inspector`, a child process
under limits, so that no hostile file is ever parsed in the hub.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import msgspec

from edgewright.contract.api import ModelFormat, Precision
from edgewright.contract.errors import InvalidInput
from edgewright.contract.sources import HEAD_BYTES, MAX_SOURCE_BYTES, foreign_kind, is_tflite
from edgewright.contract.tensors import Contract, differences, misfits
from edgewright.hub.sandbox import PYTHON, run

MEMORY_BYTES = 4 * 1024**3
INSPECTORS = {
    ModelFormat.ONNX: "edgewright.hub.registry.inspector",
    ModelFormat.TFLITE: "edgewright.hub.registry.inspector_tflite",
}
ANSWER = "edgewright-inspector: "
"""What the child's last line begins with."""

FIELD = "source"
EXPORT_HINT = "Export to ONNX, e.g. skl2onnx.to_onnx(model, X[:1]) or torch.onnx.export(...)."


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a model file holds. `parameters` counts the numbers in its weights, or the nodes of its trees.

    `op_types` are ONNX's words; of a TFLite file, which speaks another language, there are none.
    """

    contract: Contract
    op_types: tuple[str, ...]
    parameters: int
    is_network: bool  # it multiplies by weights: MatMul, Gemm, Conv
    is_forest: bool  # it holds a tree ensemble
    opset: int
    ir_version: int
    format: ModelFormat = ModelFormat.ONNX
    precision: Precision = Precision.FP32  # INT8 where it computes in eight bits already


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why the child refuses the file."""

    message: str
    hint: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says: one of the two."""

    facts: SourceFacts | None = None
    refusal: Refusal | None = None


def inspect_source(path: Path, *, max_bytes: int = MAX_SOURCE_BYTES, timeout_s: float = 30.0) -> SourceFacts:
    """Check the ONNX or TFLite file at `path` and say what it holds.

    Raises InvalidInput (field 'source') for anything but a whole, self-contained, valid model without NaN among its
    weights that its runtime loads within `timeout_s`: ONNX Runtime, or LiteRT, which is an extra.
    """
    inspector = INSPECTORS[_format(path, max_bytes)]
    with tempfile.TemporaryDirectory(prefix="edgewright-inspect-") as folder:
        finished = run(
            [*PYTHON, "-m", inspector, str(path.resolve())],
            cwd=Path(folder),
            env={},
            timeout_s=timeout_s,
            memory_bytes=MEMORY_BYTES,
            file_bytes=0,
        )
    if not finished.is_ok:
        raise InvalidInput(
            f"the model could not be examined: its inspection {finished.explain()}",
            field=FIELD,
            hint="Check that its runtime (onnxruntime, ai-edge-litert) loads the file on your machine.",
        )
    answer = _read_answer(finished.output)
    if answer.facts is None:
        refusal = answer.refusal or Refusal(message="the inspection gave no answer")
        raise InvalidInput(refusal.message, field=FIELD, hint=refusal.hint)
    return answer.facts


def confirm_contract(given: Contract, inferred: Contract) -> None:
    """Raise InvalidInput with every point in which a declared contract, and what its steps make, misfits the model."""
    outputs = msgspec.structs.replace(given, inputs=())
    found = [*misfits(given, inferred.inputs), *differences(outputs, inferred)]
    if found:
        raise InvalidInput(
            "; ".join(found),
            field=found[0].partition(": ")[0],
            hint="Correct the contract, or leave it out to have it read from the model.",
        )


def _format(path: Path, max_bytes: int) -> ModelFormat:
    """What a file is by its size and first bytes; raises InvalidInput for what is no source."""
    size = path.stat().st_size
    if size == 0:
        raise InvalidInput("the model file is empty", field=FIELD, hint=EXPORT_HINT)
    if size > max_bytes:
        raise InvalidInput(
            f"the model has {size:,} bytes; at most {max_bytes:,} are taken",
            field=FIELD,
            hint="Edgewright is for edge devices: register a smaller model.",
        )
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if what := foreign_kind(head):
        raise InvalidInput(f"the model is {what}", field=FIELD, hint=EXPORT_HINT)
    if not is_tflite(head):
        return ModelFormat.ONNX
    if importlib.util.find_spec("ai_edge_litert") is None:
        message = "the model is a TFLite file, and this hub has nothing that reads it"
        raise InvalidInput(message, field=FIELD, hint="Install LiteRT beside the hub: pip install 'edgewright[litert]'")
    return ModelFormat.TFLITE


def _read_answer(output: str) -> Answer:
    lines = [line for line in output.splitlines() if line.startswith(ANSWER)]
    try:
        return msgspec.json.decode(lines[-1].removeprefix(ANSWER) if lines else "{}", type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput("the inspection of the model gave no readable answer", field=FIELD) from error
