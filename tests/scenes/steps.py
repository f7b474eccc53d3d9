"""Small steps and models that pipelines are made of."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.api import Does, FileRef, StepDraft
from edgewright.hub.automate.executors import Finished

LEAVE = """
import json, os, shutil
from pathlib import Path
models = Path(os.environ["EW_MODEL_DIR"])
"""
LEAVE_BOTH = LEAVE + "(models / 'model.onnx').write_bytes(b'weights'); (models / 'metrics.json').write_text('{}')\n"


class Kept:
    """An executor in memory: steps leave what they are said to leave, by what they were told, and are counted."""

    def __init__(self, blobs) -> None:
        self._blobs = blobs
        self.ran: list[str] = []
        self.fails: dict[str, str] = {}  # why a step fails, by its name
        self.leaves: dict[str, tuple[str, ...]] = {}  # other files than these, by the step's name

    def run(self, task, on_line, is_cancelled):
        """Leave `<step>.npz`, or a model."""
        self.ran.append(task.step)
        on_line(f"{task.step} is at work")
        if task.step in self.fails:
            return Finished(returncode=1, reason=self.fails[task.step], where="memory")
        if task.step == "train":
            left = {"model/model.onnx": linear(2.0), "model/metrics.json": b'{"accuracy": 1.0}'}
        else:
            said = f"{task.step} {task.env['EW_PARAMS_JSON']}".encode()
            left = {f"output/{name}": said for name in self.leaves.get(task.step, (f"{task.step}.npz",))}
        return Finished(returncode=0, outputs=tuple(self._ref(*one) for one in left.items()), where="memory")

    def _ref(self, path, data):
        return FileRef(path=path, sha256=self._blobs.put_bytes(data), size_bytes=len(data))


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
