"""Quantises as PyTorch does (PT2E of torchao): ranges that lose least, found by histograms, exported to ONNX (QDQ)."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import onnx

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Integer, Quantisation, Scheme
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, NoParams, StepContext

if TYPE_CHECKING:
    from edgewright.hub.optimize.steps.graphs.calibration import Rows
    from edgewright.hub.optimize.steps.training.torching import Graph, Network, Tail

INNER = "pt2e/"
"""What the names of exported tensors begin with until they are shortened."""


class Pt2e:
    """torchao's quantiser for x86: unsigned activations, signed weights with a scale for each channel.

    It knows convolutions over two axes and dense layers; those over one axis stay float. Its histogram observers choose
    ranges of least squared error, where static int8 takes least and greatest values.
    """

    about: ClassVar = About(
        summary="PyTorch's own quantiser: ranges of least error, found by histograms (QDQ)",
        modules=("torch", "torchao", "onnxscript"),
        extra="torch",
        timeout_s=600.0,
        precision=Precision.INT8,
    )
    params: ClassVar[type[msgspec.Struct]] = NoParams

    def apply(self, model: Path, params: NoParams, context: StepContext) -> Outcome:
        """Quantise on the context's calibration rows up to the scores, and put what follows them back."""
        import torch
        import torchao

        from edgewright.hub.optimize.steps.graphs import plain
        from edgewright.hub.optimize.steps.graphs.calibration import Rows
        from edgewright.hub.optimize.steps.training import torching
        from edgewright.hub.optimize.steps.training.learning import settle

        settle(context.seed)
        graph = torching.lifted(torching.read(model, context))
        scores = torching.scores_of(graph)
        tail = torching.tail_of(graph, scores)
        if tail is None:
            raise InvalidInput("the model's outputs need more than its scores: PT2E knows one way only", field="model")
        rows = Rows(graph.model, context)
        made = _with_tail(graph, _exported(torching.network(graph, scores), rows, scores), tail)
        share = _share_of_layers(made)
        plain.share_equals(made)
        plain.shorten_names(made)
        path = torching.save(made, context.folder / "pt2e.onnx")
        done = Quantisation(
            scheme=Scheme.STATIC,
            weights=Integer.S8,
            activations=Integer.U8,
            is_per_channel=True,
            calibration_rows=rows.count,
        )
        tools = {"torch": str(torch.__version__), "torchao": str(torchao.__version__)}
        note = f"{share} in eight bits by torchao's PT2E, ranges of least squared error on {rows.count} training rows"
        return Outcome(path=str(path), note=note, tools=tools, quantisation=done)


def _exported(network: Network, rows: Rows, scores: str) -> onnx.ModelProto:
    """The network, quantised, as ONNX with its own names for inputs and `scores`."""
    import torch
    from torchao.quantization.pt2e import quantize_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer

    feeds = [tuple(torch.from_numpy(feed[name]) for name in network.inputs) for feed in rows]
    example = tuple(torch.cat([tensor, tensor])[:4] for tensor in feeds[0])
    free = tuple({0: torch.export.Dim("rows")} for _ in example)
    quantiser = x86_inductor_quantizer.X86InductorQuantizer()
    quantiser.set_global(x86_inductor_quantizer.get_default_x86_inductor_quantization_config())
    names: dict[str, Any] = {"input_names": list(network.inputs), "output_names": [scores]}
    try:
        with _quietly(), torch.no_grad():
            captured = torch.export.export(network.module.eval(), example, dynamic_shapes=free).module()
            prepared = quantize_pt2e.prepare_pt2e(captured, quantiser)
            for feed in feeds:
                prepared(*feed)
            converted = quantize_pt2e.convert_pt2e(prepared)
            made = torch.onnx.export(
                converted, example, dynamo=True, external_data=False, verbose=False, dynamic_shapes=free, **names
            )
    except (RuntimeError, ValueError, AssertionError, torch.onnx.OnnxExporterError) as error:
        told = str(error).strip().splitlines()[0][:200]
        raise InvalidInput(f"PyTorch cannot capture or export this model: {told}", field="model") from error
    exported: onnx.ModelProto = made.model_proto
    return exported


def _with_tail(graph: Graph, made: onnx.ModelProto, tail: Tail) -> onnx.ModelProto:
    """The quantised part, and then the source's own nodes, between the source's inputs and outputs."""
    from onnx import helper

    from edgewright.hub.optimize.steps.graphs import plain

    whole, ports = made.graph, {*graph.inputs, tail.scores}
    inner = {name for node in whole.node for name in (*node.input, *node.output)} - ports - {""}
    plain.rename(whole, {name: f"{INNER}{name}" for name in inner})
    source = graph.model.graph
    joined = helper.make_graph(
        [*whole.node, *tail.nodes], "pt2e", source.input, source.output, [*whole.initializer, *tail.tensors]
    )
    opsets = {opset.domain: opset.version for opset in graph.model.opset_import}
    opsets |= {opset.domain: opset.version for opset in made.opset_import if opset.domain in ("", "ai.onnx")}
    imports = [helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())]
    return helper.make_model(joined, opset_imports=imports, ir_version=max(made.ir_version, graph.model.ir_version))


def _share_of_layers(made: onnx.ModelProto) -> str:
    """How many of the layers were quantised: torchao leaves alone what x86 has no kernels for. Raises InvalidInput."""
    from edgewright.hub.optimize.steps.training import torching

    rounded = {node.output[0] for node in made.graph.node if node.op_type == "DequantizeLinear"}
    layers = torching.of(made).weighted()
    done = [node for node in layers if node.input[1] in rounded]
    if not done:
        kinds = ", ".join(sorted({node.op_type for node in layers}))
        raise InvalidInput(f"torchao quantises no layer of this model ({kinds})", field="recipe.pt2e")
    return f"{len(done)} of {len(layers)} layers"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """PyTorch tells of its progress on standard output, and of what it lacks in its log."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
