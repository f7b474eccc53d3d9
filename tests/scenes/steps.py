"""Small steps and models that pipelines are made of."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.api import Does, StepDraft

LEAVE = """
import json, os, shutil
from pathlib import Path
models = Path(os.environ["EW_MODEL_DIR"])
"""
LEAVE_BOTH = LEAVE + "(models / 'model.onnx').write_bytes(b'weights'); (models / 'metrics.json').write_text('{}')\n"


def step(name, does=Does.COMMAND, **facts) -> StepDraft:
    return StepDraft(**{"name": name, "does": does, **facts})


def linear(factor: float) -> bytes:
    """A model that multiplies four numbers, with weights of its own beside it."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    weights = [
        numpy_helper.from_array(np.full(4, factor, np.float32), "head"),
        numpy_helper.from_array(np.arange(4, dtype=np.float32), "trunk"),
    ]
    nodes = [helper.make_node("Add", ["x", "trunk"], ["t"]), helper.make_node("Mul", ["t", "head"], ["y"])]
    graph = helper.make_graph(nodes, "linear", rows[:1], rows[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
