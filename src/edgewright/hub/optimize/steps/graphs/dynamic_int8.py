"""Dynamic int8: weights in eight bits, activations turned into eight bits as the model runs.

Their scale is found anew in each call, over all its rows: answers depend a little on which rows are asked together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import QuantType

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext
from edgewright.hub.optimize.steps.graphs import layers
from edgewright.hub.optimize.steps.graphs.calibration import Rows
from edgewright.hub.optimize.steps.graphs.plain import graphs
from edgewright.hub.optimize.steps.graphs.quantising import named, prepared, quietly, settle, told
from edgewright.hub.optimize.steps.graphs.sensitivity import most_sensitive

STEP = "dynamic-int8"
LAYERS = ("MatMul", "Gemm")
"""Never Conv: its dynamic kernel is seven times as slow as floats."""

TYPES = {Integer.U8: QuantType.QUInt8, Integer.S8: QuantType.QInt8}


class DynamicInt8Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signedness of the weights; a scale for each channel of them, or one for all.

    MiniLM's cosine with its source is 0.993 per channel and 0.964 without; with u8 weights it was hardly faster than
    floats. `reduce_range` uses seven bits of the weights: for x86 without VNNI, where sums of eight overflow.
    `embeddings` are tables that the model looks rows up in. `keep` names layers that stay float, with commas between;
    `sensitive` says how many more do: those whose quantisation moves the answers most on the calibration rows.
    """

    weights: Integer = Integer.S8
    per_channel: bool = True
    reduce_range: bool = False
    embeddings: bool = True
    keep: str = ""
    sensitive: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class DynamicInt8:
    """ONNX Runtime's dynamic quantisation, in standard operators; for transformers and dense networks."""

    about: ClassVar = About(
        summary="weights in eight bits, activations as the model runs: for transformers",
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = DynamicInt8Params

    def apply(self, model: Path, params: DynamicInt8Params, context: StepContext) -> Outcome:
        """Quantise the weights; calibration rows are needed for `sensitive` alone."""
        work = Quantiser(model, params, context)
        kept = named(params.keep, work.layers, STEP)
        sensitive: tuple[str, ...] = ()
        if params.sensitive:
            sensitive = most_sensitive(work, Rows(work.model, context), params.sensitive, kept)
        path = context.folder / "dynamic_int8.onnx"
        chosen = [name for name in work.layers if name not in {*kept, *sensitive}]
        work.quantise(chosen, path, tables=work.tables)
        settle(path, work.layers, work.model.ir_version)
        done = Quantisation(
            scheme=Scheme.DYNAMIC,
            weights=params.weights,
            activations=Integer.U8,
            is_per_channel=params.per_channel,
        )
        note = f"the weights of {len(chosen)} layers in eight bits{', and the embeddings' if work.tables else ''}"
        return Outcome(path=str(path), note=note + told(kept, sensitive), quantisation=done)


class Quantiser:
    """Quantises a model, any of its layers at a time."""

    def __init__(self, model: Path, params: DynamicInt8Params, context: StepContext) -> None:
        self.model = prepared(model, STEP)
        self.layers = [node.name for node in layers.layers(self.model.graph, LAYERS)]
        self.tables = [node.name for node in layers.lookups(self.model.graph)] if params.embeddings else []
        self.folder = context.folder
        self._params = params
        self._source = context.folder / "prepared.onnx"
        if not self.layers:
            raise InvalidInput(
                "no layer is a dense one (MatMul, Gemm) with weights of its own: nothing to quantise",
                field=f"recipe.{STEP}",
                hint="Convolutions take static-int8; their dynamic kernels are slower than floats.",
            )
        _give_gemms_their_own(self.model.graph)
        onnx.save(self.model, self._source)

    def quantise(self, names: Sequence[str], path: Path, *, tables: Sequence[str] = ()) -> None:
        """Write the model with these layers and tables quantised."""
        if not (names or tables):
            raise InvalidInput("every layer is kept float: nothing to quantise", field=f"recipe.{STEP}.keep")
        with quietly():
            quantization.quantize_dynamic(
                str(self._source),
                str(path),
                op_types_to_quantize=["MatMul", "Gather"],
                per_channel=self._params.per_channel,
                reduce_range=self._params.reduce_range,
                weight_type=TYPES[self._params.weights],
                nodes_to_quantize=[*names, *(f"{name}_MatMul" for name in names), *tables],
                extra_options={"MatMulConstBOnly": True},
            )


def _give_gemms_their_own(graph: onnx.GraphProto) -> None:
    """Copy weights that a Gemm shares with others: the quantiser turns those of a Gemm round, for all who use them."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    uses = Counter(name for inner in graphs(graph) for node in inner.node for name in node.input)
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[1] in stored and uses[node.input[1]] > 1:
            copy = graph.initializer.add()
            copy.CopyFrom(stored[node.input[1]])
            copy.name = node.input[1] = f"{node.input[1]}_of_{node.name}"
