"""What an answer that is no success means, and whose word it is: the hub's, or that of something on the way."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import ClassVar

from edgewright.contract.errors import (
    ErrorBody,
    ErrorReply,
    HostileInput,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    Told,
    Unreachable,
)
from edgewright.contract.wire import read_json

MAX_RETRY_AFTER_S = 3600.0
"""However long the other side wants to be left alone: what it says is signed by nobody."""
_BUSY = (http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS)


class Later(Unreachable):
    """Not now: come again after `wait_s` seconds, and up to `spread_s` later, so that not all come at once."""

    code = "later"

    def __init__(self, message: str, *, wait_s: float, spread_s: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s
        self.spread_s = spread_s


class TurnedAway(NotAllowed):
    """The hub knows this device and will not have it, for now or for good: `reason_code` is the hub's word for why.

    Ask again after `wait_s` seconds, or where that is 0 after the longest wait.
    """

    WORDS: ClassVar[Mapping[str, str]] = {
        "waiting_for_approval": "this device waits until somebody at the hub approves it",
        "device_quarantined": "in quarantine, as its key was seen in two places: ask at the hub",
        "device_retired": "this device is retired: it serves on, and gets nothing new",
    }

    code = "turned_away"

    def __init__(self, message: str, *, reason_code: str, wait_s: float, field: str = "", hint: str = "") -> None:
        super().__init__(message, field=field, hint=hint)
        self.reason_code = reason_code
        self.in_words = self.WORDS.get(reason_code, message)
        self.wait_s = wait_s


class NotTheHub(Unreachable):
    """Something on the way has answered in the hub's place: a captive portal, a proxy."""

    code = "not_the_hub"
    hint = "Does this network want somebody to log in? The agent tries again."


@contextlib.contextmanager
def foreign_errors_told() -> Iterator[None]:
    """Tell what goes wrong on the line as Unreachable."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk of -5 bytes, an odd host
        raise Unreachable(
            f"the hub does not answer: {error or type(error).__name__}",
            hint="Is the hub up? An agent that is enrolled goes on trying.",
        ) from error


def check_sender(response: http.client.HTTPResponse) -> None:
    """Raise NotTheHub for a page, or for a body that somebody has packed: no hub says such a thing to a device."""
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise NotTheHub(f"a page comes in place of the hub's answer, with status {response.status}")
    coding = response.getheader("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise NotTheHub(f"the answer is packed with '{coding[:30]}', which nobody asked for")


def raise_for_hub(status: int, reply: bytes, headers: http.client.HTTPMessage) -> None:
    """Raise what the hub says in a reply that is no success: NotLoggedIn, NotAllowed, NotFound, Unreachable, Told.

    NotAllowed is TurnedAway. A no counts only in the hub's own form; whatever else answers is NotTheHub.
    """
    try:
        read_json(reply, ErrorReply, "an error")
    except HostileInput as error:
        if status < 500 and status not in _BUSY:
            raise NotTheHub(f"an answer with status {status} is not in the hub's form") from error
    raise_for(status, reply, headers)


def raise_for(status: int, reply: bytes, headers: http.client.HTTPMessage) -> None:
    """As `raise_for_hub`, for any server: its status alone counts."""
    try:
        body = read_json(reply, ErrorReply, "an error").error
    except HostileInput:
        body = ErrorBody(code="unknown", message=f"the hub answers with status {status}")
    if status == http.client.UNAUTHORIZED:
        raise NotLoggedIn(body.message, field=body.field, hint=body.hint)
    if status == http.client.FORBIDDEN:
        wait_s = retry_after_s(headers)
        raise TurnedAway(body.message, reason_code=body.code, wait_s=wait_s, field=body.field, hint=body.hint)
    if status == http.client.NOT_FOUND:
        raise NotFound(body.message, field=body.field, hint=body.hint)
    if status >= 500 or status in _BUSY:
        wait_s = retry_after_s(headers)
        if wait_s:
            raise Later(f"the hub is busy: {body.message}", wait_s=wait_s, spread_s=wait_s, hint=body.hint)
        raise Unreachable(f"the hub cannot answer now: {body.message}", hint=body.hint)
    raise Told(status, body)


def retry_after_s(headers: http.client.HTTPMessage) -> float:
    """Retry-After in seconds (RFC 9110, section 10.2.3), 0 where there is none or none to make sense of.

    A date is taken against the answer's own Date, as the device's clock may be anywhere.
    """
    said = headers.get("Retry-After") or ""
    if said.strip().isdecimal() and said.isascii():
        return min(MAX_RETRY_AFTER_S, float(said.strip()[:12]))
    with contextlib.suppress(ValueError, TypeError, OverflowError, IndexError):
        until, now = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("Date") or "")
        wait_s = (until.replace(tzinfo=until.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)).total_seconds()
        return min(MAX_RETRY_AFTER_S, max(0.0, wait_s))
    return 0.0
