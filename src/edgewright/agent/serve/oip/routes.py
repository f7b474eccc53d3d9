"""Which of the protocol's questions a request asks: read from its method and path alone."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from edgewright.contract.errors import NotFound, UsageError


class Ask(Enum):
    """What is asked, with the method that asks it."""

    SERVER = "GET"
    LIVE = "GET live"
    READY = "GET ready"
    MODEL = "GET model"
    MODEL_READY = "GET model ready"
    INFER = "POST"
    FEEDBACK = "POST feedback"

    @property
    def method(self) -> str:
        """The method; HEAD asks what GET asks."""
        return self.value.split(" ")[0]


class MethodNotAllowed(UsageError):
    """The path is known, and not for this method."""

    code = "method_not_allowed"
    http_status = 405


class Route(NamedTuple):
    """`version` is "" where none is named."""

    ask: Ask
    model: str = ""
    version: str = ""


def read_route(method: str, path: str) -> Route:
    """What is asked. Raises NotFound or MethodNotAllowed."""
    route = _route(path)
    if method != route.ask.method and not (method == "HEAD" and route.ask.method == "GET"):
        raise MethodNotAllowed(f"{path[:200]} takes {route.ask.method}, not {method}", field="method")
    return route


@lru_cache(maxsize=256)
def _route(path: str) -> Route:
    match path.rstrip("/").split("/")[1:]:
        case ["v2"]:
            return Route(Ask.SERVER)
        case ["v2", "health", "live"]:
            return Route(Ask.LIVE)
        case ["v2", "health", "ready"]:
            return Route(Ask.READY)
        case ["v2", "models", model, "versions", version]:
            return Route(Ask.MODEL, unquote(model), unquote(version))
        case ["v2", "models", model, "versions", version, "ready"]:
            return Route(Ask.MODEL_READY, unquote(model), unquote(version))
        case ["v2", "models", model, "versions", version, "infer"]:
            return Route(Ask.INFER, unquote(model), unquote(version))
        case ["v2", "models", model]:
            return Route(Ask.MODEL, unquote(model))
        case ["v2", "models", model, "ready"]:
            return Route(Ask.MODEL_READY, unquote(model))
        case ["v2", "models", model, "infer"]:
            return Route(Ask.INFER, unquote(model))
        case ["v2", "models", model, "feedback"]:
            return Route(Ask.FEEDBACK, unquote(model))
        case ["v2", "models", model, "versions", version, "feedback"]:
            return Route(Ask.FEEDBACK, unquote(model), unquote(version))
    raise NotFound(f"{path[:200]} is no path of the Open Inference Protocol v2", field="path")
