"""The peer: Triton-style JSON HTTP as one writes it with FastAPI, run by uvicorn with uvloop on a Unix socket.

    python fastapi_peer.py MODEL.onnx SOCKET

The quicker forms were taken where there is a choice: an async endpoint (no thread for each request), pydantic types
that say what the data is, one session on one thread, a Unix socket instead of TCP, no access log.
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


def application(path: str) -> FastAPI:
    """One model at /v2/models/{name}/infer."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    types = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}
    app = FastAPI()

    @app.post("/v2/models/{name}/infer")
    async def infer(name: str, question: Question) -> Answer:
        feeds = {given.name: np.array(given.data, np.float32).reshape(given.shape) for given in question.inputs}
        answers = zip(names, session.run(None, feeds), strict=True)
        outputs = [
            Tensor(name=n, shape=list(a.shape), datatype=types[a.dtype], data=a.ravel().tolist()) for n, a in answers
        ]
        return Answer(model_name=name, model_version="1", outputs=outputs)

    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[1]), uds=sys.argv[2], access_log=False, log_level="error")
