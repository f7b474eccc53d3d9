"""What the gateway answers: the protocol for all models and pipelines, and the status page; to this machine alone.

A page in a browser could ask any port of its own machine: so the host that a request names must be this machine (DNS
rebinding), a request that a page of another origin has sent is refused, and no CORS header ever allows one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable

from edgewright.agent.gateway import pipeline
from edgewright.agent.gateway.models import Folder
from edgewright.agent.gateway.upstream import Upstream
from edgewright.agent.serve.http import Headers, Reply, Request, error_reply, json_reply
from edgewright.agent.serve.oip.messages import Live, ModelReady, Ready, ServerMetadata
from edgewright.agent.serve.oip.routes import Ask, Route, read_route
from edgewright.contract.errors import EdgewrightError, NotFound

_HERE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_PAGES = ("/", "/status.json")


class Desk:
    """A `Handler` for the HTTP server."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._upstreams: dict[str, Upstream] = {}

    def __call__(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer one request; never raises what a client can cause."""
        if (refused := refusal_of_strangers(request.headers)) is not None:
            return refused
        try:
            if request.path in _PAGES:
                from edgewright.agent.gateway import page  # what it needs of the agent is not carried before

                return page.answer(request, self._folder)
            route = read_route(request.method, request.path)
            if route.model:
                return self._of_model(route, request)
            return self._of_all(route)
        except EdgewrightError as error:
            return told(error)

    def _of_all(self, route: Route) -> Reply:
        if route.ask is Ask.SERVER:
            return json_reply(200, ServerMetadata())
        if route.ask is Ask.LIVE:
            return json_reply(200, Live(True))
        is_ready = self._folder.is_ready()
        return json_reply(200 if is_ready else 503, Ready(is_ready))

    async def _of_model(self, route: Route, request: Request) -> Reply:
        try:
            spec = self._folder.pipelines().get(route.model)
            if spec is None or self._folder.manifest(route.model) is not None:
                return await self._pass_on(route.model, request)
            joined = pipeline.find(self._folder, route.model, spec)
            if route.version not in ("", joined.version):
                raise NotFound(f"{route.model} is at version {joined.version}", field="version")
            if route.ask is Ask.FEEDBACK:
                raise NotFound(f"{route.model} is two models: say it of one of them", field="model")
            if route.ask is Ask.INFER:
                return await pipeline.infer(joined, request, self._pass_on)
            if route.ask is Ask.MODEL_READY:
                return json_reply(200, ModelReady(route.model, True))
            return json_reply(200, pipeline.describe(joined))
        except EdgewrightError as error:
            return told(error)

    async def _pass_on(self, model: str, request: Request) -> Reply:
        upstream = self._upstreams.get(model)
        if upstream is None:
            upstream = Upstream(self._folder.socket(model), model)
            reply = await upstream.ask(request)
            self._upstreams[model] = upstream  # only what has a socket is remembered
            return reply
        return await upstream.ask(request)


def refusal_of_strangers(headers: Headers) -> Reply | None:
    """The refusal of a request that was not meant for this machine, or was sent by another site's page; else None."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not _HERE.fullmatch(host):
        return error_reply(421, f"host: '{host[:80]}' is not this machine; ask localhost or 127.0.0.1")
    is_foreign = origin is not None and origin.lower() != f"http://{host.lower()}"
    if is_foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return error_reply(403, "origin: pages of other sites may not ask this device")
    return None


def told(error: EdgewrightError) -> Reply:
    """An error in the protocol's form."""
    return error_reply(error.http_status, f"{error.message} ({error.hint})" if error.hint else error.message)
