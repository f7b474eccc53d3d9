"""What quantising steps share: a model made ready, layers that people name, and what ONNX Runtime leaves made plain."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.steps.graphs import layers, plain

LEAST_OPSET = 13
"""From here on, a scale for each channel can be written."""


def prepared(path: Path, step: str) -> onnx.ModelProto:
    """The model as quantisers want it: constants as weights, every node named, all shapes told, opset 13 or later."""
    model = plain.read(path)
    layers.refuse_quantised(model, step)
    layers.refuse_infinite(layers.weights(model), step)
    opset = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), LEAST_OPSET)
    if opset < LEAST_OPSET:
        model = _converted(model, opset)
    layers.name_nodes(model.graph)
    return onnx.shape_inference.infer_shapes(model)


def refuse_weightless(model: onnx.ModelProto, step: str) -> None:
    """Raise InvalidInput for a model of which no layer multiplies by weights."""
    if not layers.layers(model.graph, ("Conv", "Gemm", "MatMul")):
        raise InvalidInput("the model multiplies by no weights: nothing to quantise", field=f"recipe.{step}")


def named(text: str, known: Sequence[str], step: str) -> tuple[str, ...]:
    """The layers that `text` names, with commas between; raises InvalidInput for one that the model does not have."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            hint = f"Its layers: {', '.join(known[:20])}{' …' if len(known) > 20 else ''}."
            raise InvalidInput(f"the model has no layer '{name[:80]}'", field=f"recipe.{step}.keep", hint=hint)
    return names


def told(kept: Sequence[str], sensitive: Sequence[str]) -> str:
    """The end of a note: which layers stay float, and why."""
    by_name = f"; {', '.join(kept)} kept float" if kept else ""
    by_measure = f"; kept float because they hurt most: {', '.join(sensitive)}" if sensitive else ""
    return by_name + by_measure


def settle(path: Path, names: Sequence[str], ir_version: int) -> None:
    """Drop what decides no answer, but for the names of layers."""
    model = onnx.load(path)
    model.ir_version = max(ir_version, plain.LEAST_IR_VERSION)
    plain.sort_nodes(model.graph)  # ONNX Runtime's quantisers do not see what branches take from around them
    plain.share_equals(model)
    plain.shorten_names(model, keep=frozenset(names))
    plain.write(model, path)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """The quantiser advises on standard output, and logs that it would like a preparation that it has had."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(model, LEAST_OPSET)
    except Exception as error:  # the converter raises RuntimeError, ConvertError and others
        message = f"the model is of opset {opset}, and cannot be lifted to {LEAST_OPSET}: {str(error)[:200]}"
        raise InvalidInput(message, field="source", hint="Export it again with a later opset.") from error
