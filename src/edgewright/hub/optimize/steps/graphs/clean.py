"""Cleans the graph: constants folded, dead nodes dropped, neighbours fused, in standard operators only."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
import onnx
import onnxruntime

from edgewright.hub.optimize.model import Outcome
from edgewright.hub.optimize.steps import About, NoParams, StepContext

PORTABLE_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


class Clean:
    """ONNX Runtime's basic optimisations, which depend on no hardware.

    Where they put in operators that only ONNX Runtime knows, the model is left as it was.
    """

    about: ClassVar = About(summary="constants folded, dead nodes dropped, neighbours fused, in standard operators")
    params: ClassVar[type[msgspec.Struct]] = NoParams

    def apply(self, model: Path, params: NoParams, context: StepContext) -> Outcome:
        """Optimise, and drop what decides no answer."""
        before = onnx.load(model)
        after = _optimise(model, context.folder / "optimised.onnx")
        is_portable = all(node.domain in PORTABLE_DOMAINS for node in after.graph.node)
        kept = after if is_portable else before
        _flatten_biases(kept.graph)
        _drop_provenance(kept, before)
        path = context.folder / "clean.onnx"
        path.write_bytes(kept.SerializeToString(deterministic=True))
        counts = f"{len(before.graph.node)} nodes became {len(kept.graph.node)}"
        return Outcome(path=str(path), note=counts if is_portable else "left as it was: it would no longer be portable")


def _optimise(model: Path, path: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


def _flatten_biases(graph: onnx.GraphProto) -> None:
    """Give Gemm biases of shape [1, N] the shape [N], which means the same; the quantiser knows no other."""
    biases = {node.input[2] for node in graph.node if node.op_type == "Gemm" and len(node.input) == 3}
    elsewhere = {
        name for node in graph.node for place, name in enumerate(node.input) if (node.op_type, place) != ("Gemm", 2)
    }
    for tensor in graph.initializer:
        if tensor.name in biases - elsewhere and len(tensor.dims) == 2 and tensor.dims[0] == 1:
            del tensor.dims[0]


def _drop_provenance(model: onnx.ModelProto, source: onnx.ModelProto) -> None:
    """Keep only what decides the answers, so that equal graphs are equal bytes."""
    used = {node.domain for node in model.graph.node} | {""}
    needed = {opset.domain: opset.version for opset in source.opset_import if opset.domain in used}
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in sorted(needed.items()))
    model.ir_version = source.ir_version
    for field in ("producer_name", "producer_version", "doc_string", "metadata_props"):
        model.ClearField(field)
    model.graph.ClearField("doc_string")
    for node in model.graph.node:
        node.ClearField("doc_string")
