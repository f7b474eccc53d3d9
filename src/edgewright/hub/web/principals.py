"""Who asks: programs show a bearer token, browsers a cookie that holds the same, workers a token of their own."""

from __future__ import annotations

from typing import Any

from litestar import Request

from edgewright.contract.errors import NotLoggedIn
from edgewright.hub.app import Hub
from edgewright.hub.automate.executors.queue import TOKEN
from edgewright.hub.govern import Principal
from edgewright.hub.web.arguments import TheHub

COOKIE = "edgewright_token"


def of_bearer(hub: TheHub, request: Request[Any, Any, Any]) -> Principal:
    """Who a request to the API stands for; a cookie is not looked at, so that no other site can act through one."""
    return _principal(hub, _bearer(request))


def of_page(hub: TheHub, request: Request[Any, Any, Any]) -> Principal:
    """Who looks at a page, by cookie or by bearer token."""
    return _principal(hub, request.cookies.get(COOKIE, "") or _bearer(request))


def _principal(hub: Hub, token: str) -> Principal:
    if not token:
        raise NotLoggedIn("this request carries no token", field="authorization")
    if token.startswith(TOKEN):
        return hub.executors.workers.principal(token)
    return hub.people.principal(token)


def _bearer(request: Request[Any, Any, Any]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
