"""One request of a device and its answer, between ASGI and the doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from edgewright.contract.errors import EdgewrightError, HostileInput, NotLoggedIn, UsageError, to_body
from edgewright.hub.registry.serving import BlobAnswer
from edgewright.hub.web.replies import headers_of
from edgewright.hub.web.streaming import chunks_of

PREFIX = "/device/v1/"
CHECK_IN = PREFIX + "checkin"
MAX_BODY_BYTES = 16 * 1024**2
SCHEME = b"Bearer "

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Any]
Receive = Callable[[], Any]
RawHeaders = Iterable[tuple[bytes, bytes]]


class Call(NamedTuple):
    """One request of a device, whole. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """A reply: bytes, or a blob as `hub.serving` answers it."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    blob: BlobAnswer | None = None
    headers: tuple[tuple[str, str], ...] = ()


NOTHING_NEW = Answer(304)
NO_BODY = {"type": "http.response.body", "body": b""}
NOTHING_NEW_HEAD = {"type": "http.response.start", "status": 304, "headers": []}


async def read_body(receive: Receive) -> bytes:
    """The whole body; raises HostileInput for one that is too long, UsageError where the sender has gone."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) <= MAX_BODY_BYTES:
            return whole
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise UsageError("the sender has gone")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise HostileInput(f"a body has at most {MAX_BODY_BYTES} bytes", field="body")
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()


def whole_call(scope: Scope, body: bytes) -> Call:
    """A request with its headers as text."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(scope["method"], scope["path"], headers, body)


def token_of(headers: RawHeaders) -> bytes:
    """The session's token that a request brings; raises NotLoggedIn."""
    for name, value in headers:
        if name == b"authorization":
            if (value[:7] == SCHEME or value[:7].lower() == SCHEME.lower()) and len(value) > 7:
                return value[7:]
            break
    raise NotLoggedIn("this door needs a session", field="authorization", hint="POST /device/v1/session first.")


async def write(answer: Answer, send: Send) -> None:
    """Send an answer, a blob in pieces."""
    blob = answer.blob
    length = blob.length if blob else len(answer.body)
    headers = [("content-type", answer.media_type), ("content-length", str(length))]
    raw = [
        (name.encode(), value.encode()) for name, value in (*headers, *answer.headers, *(blob.headers if blob else ()))
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if blob is not None:
        async for chunk in chunks_of(blob):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": answer.body})


def refusal(error: EdgewrightError) -> Answer:
    """An error of ours as a reply."""
    return Answer(error.http_status, msgspec.json.encode(to_body(error)), headers=tuple(headers_of(error).items()))


def as_json(reply: msgspec.Struct) -> Answer:
    """A message as a reply."""
    return Answer(200, msgspec.json.encode(reply))
