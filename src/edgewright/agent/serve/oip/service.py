"""Answers the protocol for one model: inline where inference is quick, in a thread where it is not.

So a health check is answered while a long inference runs, and a quick one is not slowed down by changing threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from edgewright.agent.serve.answering import Seen
from edgewright.agent.serve.http import Reply, Request, error_reply, json_reply
from edgewright.agent.serve.oip.arrays import to_array, to_question, to_reply
from edgewright.agent.serve.oip.asked import Asked, read_asked, read_feedback
from edgewright.agent.serve.oip.messages import (
    FeedbackReply,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    metadata_of,
)
from edgewright.agent.serve.oip.routes import Ask, Route, read_route
from edgewright.contract.errors import EdgewrightError, InvalidInput, NotFound
from edgewright.contract.manifest import Manifest
from edgewright.contract.report import Tap

QUICK_S = 0.005
QUICK_BYTES = 128 * 1024
WEIGHT = 0.1
"""Of the newest answer in the running mean of how long answers take."""


class Served(Protocol):
    """A model that answers. Several threads may call; `learn` follows each answer, once the reply is on its way."""

    name: str

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        ...

    def answer(self, inputs: Mapping[str, np.ndarray], reference: str) -> Seen:
        """Infer. Raises InvalidInput or InferenceFailed."""
        ...

    def learn(self, seen: Seen) -> None:
        """Count it. Never raises."""
        ...

    def feedback(self, reference: str, tap: Tap) -> bool:
        """Count what a person says of an answer; False where that was said before. Raises InvalidInput."""
        ...


class Service:
    """The protocol's door to one model, a `Handler` of the HTTP server. `seconds` is what one warm answer took."""

    def __init__(self, served: Served, threads: Executor, seconds: float) -> None:
        self._served = served
        self._threads = threads
        self._mean_s = seconds
        self._version = str(served.manifest.version)

    def __call__(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer one request; never raises what a client can cause."""
        try:
            route = read_route(request.method, request.path)
            self._check(route)
            if route.ask is Ask.FEEDBACK:
                return self._judged(request)
            if route.ask is not Ask.INFER:
                return self._tell(route.ask)
            if len(request.body) > QUICK_BYTES or self._mean_s > QUICK_S:
                return self._infer_aside(request)
            return self._answer(*self._infer(request))
        except EdgewrightError as error:
            return refusal(error)

    def rehearse(self, row: Mapping[str, np.ndarray]) -> None:
        """Answer a row as if somebody had asked, uncounted, so that the first caller finds everything warm."""
        body = to_question(row)
        if len(body) <= QUICK_BYTES:
            self._infer(Request("POST", "/", {}, body))

    async def _infer_aside(self, request: Request) -> Reply:
        try:
            return self._answer(*await asyncio.get_running_loop().run_in_executor(self._threads, self._infer, request))
        except EdgewrightError as error:
            return refusal(error)

    def _infer(self, request: Request) -> tuple[Reply, Seen]:
        asked = read_asked(request.headers, request.body)
        seen = self._served.answer(self._inputs(asked), asked.id or "")
        self._mean_s += WEIGHT * (seen.latency_s - self._mean_s)
        return to_reply(self._served.name, self._served.manifest.version, asked, seen.outputs), seen

    def _answer(self, reply: Reply, seen: Seen) -> Reply:
        """Have the request counted when the reply is out: the loop sends it before it comes to that."""
        asyncio.get_running_loop().call_soon(self._served.learn, seen)
        return reply

    def _inputs(self, asked: Asked) -> dict[str, np.ndarray]:
        return {tensor.name: to_array(tensor) for tensor in asked.inputs}

    def _judged(self, request: Request) -> Reply:
        said = read_feedback(request.body)
        counted = self._served.feedback(said.id, said.verdict)
        name, version = self._served.name, self._version
        return json_reply(200, FeedbackReply(model_name=name, model_version=version, counted=counted))

    def _tell(self, ask: Ask) -> Reply:
        if ask is Ask.LIVE:
            return json_reply(200, Live(True))
        if ask is Ask.READY:
            return json_reply(200, Ready(True))
        if ask is Ask.MODEL_READY:
            return json_reply(200, ModelReady(self._served.name, True))
        if ask is Ask.SERVER:
            return json_reply(200, ServerMetadata())
        return json_reply(200, describe(self._served.name, self._served.manifest))

    def _check(self, route: Route) -> None:
        if route.model not in ("", self._served.name):
            raise NotFound(f"'{route.model[:80]}' is not served here; '{self._served.name}' is", field="model")
        if route.version not in ("", self._version):
            told = f"version {route.version[:20]} of {self._served.name} is not served; version {self._version} is"
            raise NotFound(told, field="version")


def describe(name: str, manifest: Manifest) -> ModelMetadata:
    """A package in the protocol's words."""
    return ModelMetadata(
        name=name,
        versions=(str(manifest.version),),
        platform=manifest.runtime.name,
        inputs=tuple(metadata_of(spec) for spec in manifest.contract.inputs),
        outputs=tuple(metadata_of(spec) for spec in manifest.contract.outputs),
    )


def refusal(error: EdgewrightError) -> Reply:
    """An error in the protocol's form. What the client sent wrong is 400, whatever check has found it."""
    status = 400 if isinstance(error, InvalidInput) else error.http_status
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return error_reply(status, message)


__all__ = ["Served", "Service", "describe", "refusal"]
