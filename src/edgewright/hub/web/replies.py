"""Errors as replies: every refusal is one JSON object that names what is wrong, where, and what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException

from edgewright.contract.errors import EdgewrightError, ErrorBody, ErrorReply, to_body

log = structlog.get_logger()


def on_refusal(_request: Request[Any, Any, Any], error: EdgewrightError) -> Response[bytes]:
    """An error of ours."""
    return _reply(error.http_status, to_body(error))


def on_http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """An error of the framework: no such path, a body that does not parse."""
    field, message = "", error.detail
    extra = error.extra
    if isinstance(error, ValidationException) and isinstance(extra, list) and extra:
        field = str(extra[0].get("key", ""))
        message = str(extra[0].get("message", message))
    code = {404: "not_found", 405: "not_found", 400: "usage"}.get(error.status_code, "http_error")
    return _reply(error.status_code, ErrorReply(ErrorBody(code=code, message=message, field=field)))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Anything else is our mistake: log it whole, tell little."""
    log.error("web.failed", path=request.url.path, exc_info=error)
    body = ErrorBody(code="internal", message="the hub made a mistake", hint="Its log has the details.")
    return _reply(500, ErrorReply(body))


def _reply(status: int, body: ErrorReply) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=MediaType.JSON)
