"""Static int8: weights and activations of the layers in eight bits (QDQ), scales fixed on training rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import QuantFormat, QuantType

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Calibrator, Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext
from edgewright.hub.optimize.steps.graphs import layers
from edgewright.hub.optimize.steps.graphs.calibration import METHODS, Rows, find_ranges
from edgewright.hub.optimize.steps.graphs.quantising import named, prepared, quietly, settle, told
from edgewright.hub.optimize.steps.graphs.sensitivity import most_sensitive

STEP = "static-int8"

LAYERS = ("MatMul", "Gemm", "Conv")
"""What multiplies by weights and has fast kernels for eight bits, convolutions over one axis included."""

BETWEEN = ("Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Reshape", "Flatten")
"""What passes eight bits on. What a classifier does with its scores afterwards (Softmax, ArgMax, looking up the class)
stays as it is: it is cheap, and eight bits would make ties."""

JOINTS = ("Add", "Concat", "Mul")
"""Quantised where they join branches of convolutions: it made a ResNet-8 1.52 times as fast instead of 1.40 times, and
took a tenth off networks with SiLU or squeeze-and-excitation. A transformer's sums, of wide range, stay float."""

IMAGE_LIKE = frozenset({"Conv", *BETWEEN[:5], *JOINTS, "Sigmoid", "HardSigmoid"})

FLOAT_OUTPUTS = ["MatMul", "Gemm"]
"""Their sums stay float until the next layer quantises its input: measured on digits, no class changed, against
0.8 % of them with sums in eight bits, and it was no slower. Convolutions have fast kernels for eight bits only."""

TYPES = {Integer.U8: QuantType.QUInt8, Integer.S8: QuantType.QInt8}
HOW = {
    Calibrator.MIN_MAX: "the least and greatest values",
    Calibrator.ENTROPY: "the ranges of least lost information",
    Calibrator.PERCENTILE: "the ranges of all but the farthest values",
}


class StaticInt8Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signedness of weights and activations; a scale for each channel of the weights, or one for all.

    `reduce_range` uses seven bits of the weights: for x86 without VNNI, where sums of eight overflow.
    `percentile` is for the calibrator of that name. `keep` names layers that stay float, with commas between;
    `sensitive` says how many more do: those whose quantisation moves the answers most.
    """

    weights: Integer = Integer.S8
    activations: Integer = Integer.U8
    per_channel: bool = True
    reduce_range: bool = False
    calibrator: Calibrator = Calibrator.MIN_MAX
    percentile: Annotated[float, msgspec.Meta(gt=50, le=100)] = 99.99
    keep: str = ""
    sensitive: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class StaticInt8:
    """ONNX Runtime's static quantisation to QuantizeLinear and DequantizeLinear pairs."""

    about: ClassVar = About(
        summary="weights and activations in eight bits, scales fixed on training rows (QDQ)", precision=Precision.INT8
    )
    params: ClassVar[type[msgspec.Struct]] = StaticInt8Params

    def apply(self, model: Path, params: StaticInt8Params, context: StepContext) -> Outcome:
        """Quantise with scales found on the context's calibration rows."""
        if (params.activations, params.weights) == (Integer.S8, Integer.U8):
            message = "signed activations go with signed weights only: no kernel multiplies them by unsigned ones"
            raise InvalidInput(message, field=f"recipe.{STEP}.weights", hint="Take weights=s8.")
        work = Quantiser(model, params, context)
        kept = named(params.keep, work.layers, STEP)
        sensitive = most_sensitive(work, work.rows, params.sensitive, kept) if params.sensitive else ()
        path = context.folder / "static_int8.onnx"
        work.quantise([name for name in work.layers if name not in {*kept, *sensitive}], path)
        settle(path, work.layers, work.model.ir_version)
        done = Quantisation(
            scheme=Scheme.STATIC,
            weights=params.weights,
            activations=params.activations,
            is_per_channel=params.per_channel,
            calibrator=params.calibrator,
            calibration_rows=work.rows.count,
        )
        note = f"scales from {HOW[params.calibrator]} on {work.rows.count} training rows"
        return Outcome(path=str(path), note=note + told(kept, sensitive), quantisation=done)


class Quantiser:
    """Quantises a model, any of its layers at a time; it looks at the calibration rows once only."""

    def __init__(self, model: Path, params: StaticInt8Params, context: StepContext) -> None:
        self.model = prepared(model, STEP)
        self.layers = [node.name for node in layers.layers(self.model.graph, LAYERS)]
        if not self.layers:
            raise InvalidInput("the model multiplies by no weights: nothing to quantise", field=f"recipe.{STEP}")
        self.rows = Rows(self.model, context)
        self.folder = context.folder
        self._params = params
        self._between = _between(self.model.graph)
        self._op_types = sorted({*LAYERS, *(node.op_type for node in self._between.values())})
        self._source, self._ranges = context.folder / "prepared.onnx", context.folder / "ranges.json"
        onnx.save(self.model, self._source)
        with quietly():
            find_ranges(
                self._source, self.rows, params.calibrator, self._op_types, self._ranges, percentile=params.percentile
            )

    def quantise(self, names: Sequence[str], path: Path) -> None:
        """Write the model with these layers quantised, and what lies between them."""
        if not names:
            raise InvalidInput("every layer is kept float: nothing to quantise", field=f"recipe.{STEP}.keep")
        params = self._params
        with quietly():
            quantization.quantize_static(
                str(self._source),
                str(path),
                None,
                calibration_cache_path=str(self._ranges),
                quant_format=QuantFormat.QDQ,
                per_channel=params.per_channel,
                reduce_range=params.reduce_range,
                op_types_to_quantize=self._op_types,
                nodes_to_quantize=[*names, *self._after(names)],
                weight_type=TYPES[params.weights],
                activation_type=TYPES[params.activations],
                calibrate_method=METHODS[params.calibrator],
                extra_options={"OpTypesToExcludeOutputQuantization": FLOAT_OUTPUTS},
            )

    def _after(self, names: Sequence[str]) -> list[str]:
        """What lies between layers but for what follows a layer that is kept: that stays float too."""
        kept = set(self.layers) - set(names)
        makers = {name: node for node in self.model.graph.node for name in node.output}
        followers = {
            name
            for name, node in self._between.items()
            if node.input[0] in makers and makers[node.input[0]].name in kept
        }
        return [name for name in self._between if name not in followers]


def _between(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The nodes that pass eight bits on, by name; those that join branches of convolutions; those that look up rows."""
    makers = {name: node.op_type for node in graph.node for name in node.output}
    found = {node.name: node for node in layers.lookups(graph)}
    for node in graph.node:
        made = [makers.get(name, "") for name in node.input]
        joins = node.op_type in JOINTS and all(each in IMAGE_LIKE for each in made) and "Conv" in makers.values()
        if joins or (node.op_type in BETWEEN and made[0]):
            found[node.name] = node
    return found
