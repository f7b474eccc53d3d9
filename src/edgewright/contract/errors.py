"""The one tree of errors, shared by hub, client and agent.

EdgewrightError
├── Refused            a rule or gate says no                     exit 1, HTTP 422
│   ├── InvalidInput   a caller's mistake, with its field         exit 1, HTTP 422
│   └── Conflict       it exists already, or has moved on         exit 1, HTTP 409
├── UsageError         the words of the request are off           exit 2, HTTP 400
│   └── NotFound       no such thing under that name              exit 2, HTTP 404
├── Unreachable        the hub does not answer                    exit 3, HTTP 503
│   └── Busy           it has too much to do; come again          exit 3, HTTP 429
├── NotAllowed         you are unknown here, or may not           exit 4, HTTP 403
│   └── NotLoggedIn    no token, or one that has ended            exit 4, HTTP 401
└── HostileInput       bytes that crossed the wire fail a check   exit 1, HTTP 400

A room adds its own leaves (`class VersionExists(Conflict)`) beside its rules.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class EdgewrightError(Exception):
    """Something Edgewright refuses or cannot do, told so that the reader knows what to do next.

    `message` says what is wrong, `field` names the offending field ("" where there is none) and `hint` says
    how to mend it. `code` is stable: programs may match on it. Over HTTP `retry_after_s`, where it is not 0, is the
    header Retry-After.
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    hint: str = ""
    retry_after_s: float = 0.0

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint or type(self).hint


class Refused(EdgewrightError):
    """A rule or a gate says no."""

    code = "refused"
    http_status = 422


class InvalidInput(Refused):
    """The caller's input breaks a rule; `field` names where."""

    code = "invalid_input"


class Conflict(Refused):
    """The thing exists already, or is no longer in the state that the request assumes."""

    code = "conflict"
    http_status = 409


class UsageError(EdgewrightError):
    """The request itself is not one that can be understood."""

    code = "usage"
    http_status = 400
    exit_code = 2


class NotFound(UsageError):
    """Nothing is known under that name."""

    code = "not_found"
    http_status = 404


class Unreachable(EdgewrightError):
    """The other side does not answer."""

    code = "unreachable"
    http_status = 503
    exit_code = 3


class Busy(Unreachable):
    """The other side has too much to do now, and has done nothing: come again after `retry_after_s` (RFC 6585 §4)."""

    code = "busy"
    http_status = 429
    hint = "Try again later."

    def __init__(self, message: str, *, retry_after_s: float, field: str = "", hint: str = "") -> None:
        super().__init__(message, field=field, hint=hint)
        self.retry_after_s = retry_after_s


class NotAllowed(EdgewrightError):
    """The caller is known and may not do this."""

    code = "not_allowed"
    http_status = 403
    exit_code = 4


class NotLoggedIn(NotAllowed):
    """The caller is not known: no credentials, wrong ones, or ones that have ended."""

    code = "not_logged_in"
    http_status = 401
    hint = "Run `edgewright login`."


class HostileInput(EdgewrightError):
    """Bytes from the other side fail a check; nothing of them was used."""

    code = "hostile_input"
    http_status = 400


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it crosses the wire: `{"error": {...}}`."""

    code: str
    message: str
    field: str = ""
    hint: str = ""


class ErrorReply(msgspec.Struct, frozen=True):
    """The JSON body of every reply that is not a success."""

    error: ErrorBody


def to_body(error: EdgewrightError) -> ErrorReply:
    """Give `error` its wire form."""
    return ErrorReply(ErrorBody(code=error.code, message=error.message, field=error.field, hint=error.hint))


_BY_STATUS: dict[int, type[EdgewrightError]] = {
    400: UsageError,
    401: NotLoggedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    422: Refused,
    429: Unreachable,
    503: Unreachable,
}


class Told(EdgewrightError):
    """An error that the hub told us, with the hub's own code and our exit code for its kind."""

    def __init__(self, status: int, body: ErrorBody) -> None:
        super().__init__(body.message, field=body.field, hint=body.hint)
        self.code = body.code  # type: ignore[misc]
        self.http_status = status  # type: ignore[misc]
        self.exit_code = _BY_STATUS.get(status, EdgewrightError).exit_code  # type: ignore[misc]
