"""Errors as replies: every refusal is one JSON object that names what is wrong, where, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException

from edgewright.contract.errors import EdgewrightError, ErrorBody, ErrorReply, NotFound, UsageError, to_body

log = structlog.get_logger()


class NoSuchDoor(NotFound):
    code = "no_such_door"
    hint = "/api/schema describes every door."


class Unreadable(UsageError):
    code = "unreadable"
    hint = "/api/schema describes every door."


_UNREADABLE: dict[type[Exception], str] = {
    UnicodeDecodeError: "the request is not UTF-8",
    RecursionError: "the request is nested too deep",
    OverflowError: "a number in the request is too large",
}


_FIELDS = {"data": "body"}
"""What the framework calls what people know by another name."""


def on_refusal(_request: Request[Any, Any, Any], error: EdgewrightError) -> Response[bytes]:
    """An error of ours."""
    return _reply(error.http_status, to_body(error), headers_of(error))


def headers_of(error: EdgewrightError) -> dict[str, str]:
    """What an error says in headers: when to come again (RFC 9110 section 10.2.3), in whole seconds."""
    return {"retry-after": str(math.ceil(error.retry_after_s))} if error.retry_after_s else {}


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of the framework: no such path, a body that does not parse."""
    if error.status_code in (404, 405):
        return on_refusal(request, NoSuchDoor(f"there is no {request.method} {request.url.path}", field="path"))
    field, message = "", error.detail
    extra = error.extra
    if isinstance(error, ValidationException) and isinstance(extra, list) and extra:
        field = _FIELDS.get(key := str(extra[0].get("key", "")), key)
        message = str(extra[0].get("message", message))
    code = "usage" if error.status_code == 400 else "http_error"
    return _reply(error.status_code, ErrorReply(ErrorBody(code=code, message=message, field=field)))


def on_unreadable(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What no parser refuses and no room can take: text that is not UTF-8, JSON nested too deep, numbers too large."""
    return on_refusal(_request, Unreadable(_UNREADABLE[type(error)]))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Anything else is our mistake: log it whole, tell little."""
    log.error("web.failed", path=request.url.path, exc_info=error)
    body = ErrorBody(code="internal", message="the hub made a mistake", hint="Its log has the details.")
    return _reply(500, ErrorReply(body))


def _reply(status: int, body: ErrorReply, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=MediaType.JSON, headers=headers)
