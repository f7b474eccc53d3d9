"""The ASGI application round a `Handler`: bodies are gathered within bounds, replies tell when the connection ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from edgewright.agent.serve.http.message import Handler, Headers, Reply, Request, error_reply

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_BODIES_BYTES = 2 * MAX_BODY_BYTES
"""Of all requests that are under way together. One that does not tell its length counts as the largest."""

MAX_HEAD_BYTES = 64 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Warn = Callable[[Exception], None]


class TooMuch(Exception):
    """The request is refused before it has come in as a whole; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class ClientGone(Exception):
    """The client has left in the midst of its request."""


class Application:
    """What uvicorn calls for each request. `warn` is told what a handler raised; the client learns its kind alone.

    Once `is_draining` is set, every reply tells its client to come back on another connection. `strain` is called when
    bodies of together more than `easy_bytes` come in.
    """

    def __init__(
        self,
        handler: Handler,
        warn: Warn,
        *,
        easy_bytes: int = MAX_BODIES_BYTES,
        strain: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_draining = False
        self._easy_bytes = easy_bytes
        self._strain = strain
        self._handler = handler
        self._warn = warn
        self._bodies_bytes = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        is_last = self.is_draining
        try:
            reply = await self._reply(scope, receive)
        except ClientGone:
            return
        except TooMuch as refused:
            reply, is_last = refused.reply, True  # what comes behind cannot be told apart from the rest of this
        except Exception as error:
            self._warn(error)
            reply = error_reply(500, f"this request could not be answered: {type(error).__name__}")
        await send_reply(send, reply, is_last=is_last or self.is_draining)

    async def _reply(self, scope: Message, receive: Receive) -> Reply:
        headers = read_headers(scope)
        size = length_of(headers)
        if self._bodies_bytes + size > MAX_BODIES_BYTES:
            raise TooMuch(error_reply(503, "too many large requests at once: try again later"))
        self._bodies_bytes += size
        if self._bodies_bytes > self._easy_bytes:
            self._strain()
        try:
            body = await gather(receive)
            path = scope["raw_path"].decode("ascii", "replace")
            answer = self._handler(Request(scope["method"], path, headers, body))
            return answer if isinstance(answer, Reply) else await answer
        finally:
            self._bodies_bytes -= size


async def gather(receive: Receive) -> bytes:
    """The body as a whole. Raises TooMuch, or ClientGone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunk = message["body"]
        if not chunks and not message.get("more_body"):
            return bytes(chunk)
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise TooMuch(too_large())
        if not message.get("more_body"):
            return b"".join(chunks)


def read_headers(scope: Message) -> Headers:
    """The request's headers; one that comes twice is joined by a comma (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
        size += len(name) + len(value)
    if size > MAX_HEAD_BYTES:
        raise TooMuch(error_reply(431, f"the headers of a request have at most {MAX_HEAD_BYTES} bytes"))
    return headers


def length_of(headers: Headers) -> int:
    """How large the body may be, by its headers. Raises TooMuch; also for a coding that we do not read."""
    if "content-encoding" in headers:
        raise TooMuch(error_reply(415, "content-encoding: send the body as it is"))
    if "transfer-encoding" in headers:
        return MAX_BODY_BYTES
    size = int(headers.get("content-length", "0"))  # the parser has seen that it is a number
    if size > MAX_BODY_BYTES:
        raise TooMuch(too_large())
    return size


def too_large() -> Reply:
    """The refusal of a body beyond the bound."""
    return error_reply(413, f"the body of a request has at most {MAX_BODY_BYTES} bytes")


async def send_reply(send: Send, reply: Reply, *, is_last: bool) -> None:
    """Send a whole reply; `is_last` closes the connection behind it."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    headers.append((b"content-length", b"%d" % sum(map(len, reply.body))))
    if is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for part in reply.body[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": reply.body[-1] if reply.body else b""})
