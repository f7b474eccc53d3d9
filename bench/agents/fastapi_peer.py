"""The peer: Triton-style JSON HTTP as one writes it with FastAPI, run by uvicorn with uvloop.

    python fastapi_peer.py MODEL.onnx def|async PORT|SOCKET

With `def` the endpoint runs in a thread, as FastAPI's documentation has it for what blocks, so that a health check is
answered while a long inference runs. With `async` it blocks the loop, which is the quickest form. Both have pydantic
types that say what the data is, one session on one thread and no access log.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Question(BaseModel):
    inputs: list[Tensor]


class Answer(BaseModel):
    model_name: str
    model_version: str
    outputs: list[Tensor]


def application(path: str, form: str) -> FastAPI:
    """One model at /v2/models/{name}/infer, and its health."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    types = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}
    app = FastAPI()

    @app.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    def infer(name: str, question: Question) -> Answer:
        feeds = {given.name: np.array(given.data, np.float32).reshape(given.shape) for given in question.inputs}
        answers = zip(names, session.run(None, feeds), strict=True)
        outputs = [
            Tensor(name=n, shape=list(a.shape), datatype=types[a.dtype], data=a.ravel().tolist()) for n, a in answers
        ]
        return Answer(model_name=name, model_version="1", outputs=outputs)

    async def infer_at_once(name: str, question: Question) -> Answer:
        return infer(name, question)

    app.post("/v2/models/{name}/infer")(infer if form == "def" else infer_at_once)
    return app


if __name__ == "__main__":
    at = {"port": int(sys.argv[3])} if sys.argv[3].isdecimal() else {"uds": sys.argv[3]}
    uvicorn.run(application(sys.argv[1], sys.argv[2]), **at, access_log=False, log_level="error")
