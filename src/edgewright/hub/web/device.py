"""The devices' doors, as raw ASGI in front of the framework: they are called most, and must cost least."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import structlog

from edgewright.contract.errors import EdgewrightError, HostileInput, NotFound, NotLoggedIn, UsageError, to_body
from edgewright.contract.order import Order, etag
from edgewright.contract.report import Batch, CheckIn, EnrolRequest
from edgewright.contract.wire import read_json, read_msgpack
from edgewright.hub.app import Hub
from edgewright.hub.registry.serving import BlobAnswer
from edgewright.hub.web.intake import take_in
from edgewright.hub.web.streaming import CHUNK_BYTES, OCTETS, ask_of, chunks_of, read_span

log = structlog.get_logger()

PREFIX = "/device/v1/"
MAX_BODY_BYTES = 16 * 1024**2

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Any]
Receive = Callable[[], Any]


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


class DeviceDoors:
    """Routes /device/v1/*; the work itself runs in threads, since the rooms are synchronous."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._doors: dict[tuple[str, str], Callable[[Call], Answer]] = {
            ("POST", "nonce"): self._nonce,
            ("POST", "enrol"): self._enrol,
            ("POST", "session"): self._session,
            ("POST", "checkin"): self._check_in,
            ("POST", "batch"): self._batch,
            ("GET", "blobs"): self._blob,
            ("HEAD", "blobs"): self._blob_head,
            ("GET", "tuf"): self._tuf,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry for one HTTP request."""
        try:
            call = await _read(scope, receive)
            answer = await asyncio.to_thread(self._answer, call)
        except EdgewrightError as error:
            answer = Answer(error.http_status, msgspec.json.encode(to_body(error)))
        except Exception:
            log.exception("device.failed", path=scope["path"])
            answer = Answer(500, b'{"error":{"code":"internal","message":"the hub made a mistake"}}')
        await _write(answer, send)

    def _answer(self, call: Call) -> Answer:
        name = call.path.removeprefix(PREFIX).split("/", 1)[0]
        door = self._doors.get((call.method, name))
        if door is None:
            raise NotFound(f"there is no {call.method} {call.path}", field="path")
        return door(call)

    def _nonce(self, _call: Call) -> Answer:
        return _json(self._hub.fleet.nonce())

    def _enrol(self, call: Call) -> Answer:
        request = read_json(call.body, EnrolRequest, "an enrolment")
        return _json(self._hub.fleet.enrol(request, call.headers, call.body, call.method, call.path))

    def _session(self, call: Call) -> Answer:
        return _json(self._hub.fleet.open_session(call.headers, call.body, call.method, call.path))

    def _check_in(self, call: Call) -> Answer:
        hub, device = self._hub, self._device(call)
        check_in = read_json(call.body, CheckIn, "a check-in")
        hub.fleet.check_in(device, check_in)
        installs, rollbacks = hub.rollouts.orders_for(device, check_in.models, check_in.pace)
        is_busy = bool(installs or rollbacks)
        running = [state.model for state in check_in.models if state.counter]
        order = Order(
            device=device,
            nonce=check_in.nonce,
            issued_at=hub.clock(),
            ttl_s=hub.settings.order_ttl_s,
            installs=installs,
            rollbacks=rollbacks,
            collects=hub.automate.collects_for(running),
            benches=() if is_busy else hub.benches.orders_for(device, check_in.models, check_in.pace),
        )
        if check_in.etag == etag(order) and check_in.order_age_s < hub.settings.order_ttl_s / 2:
            return Answer(304)
        return Answer(200, hub.packaging.sign_order(order))

    def _batch(self, call: Call) -> Answer:
        device = self._device(call)
        self._hub.fleet.verify_batch(device, call.headers, call.body, call.method, call.path)
        reply = take_in(self._hub, device, read_msgpack(call.body, Batch, "a batch"))
        return Answer(200, msgspec.msgpack.encode(reply), "application/msgpack")

    def _blob(self, call: Call) -> Answer:
        blob = self._serve(call)
        if blob.length > CHUNK_BYTES:
            return Answer(blob.status, b"", OCTETS, blob)
        return Answer(blob.status, read_span(blob), OCTETS, replace(blob, file=None))

    def _blob_head(self, call: Call) -> Answer:
        blob = self._serve(call)
        return Answer(blob.status, b"", OCTETS, replace(blob, file=None))

    def _serve(self, call: Call) -> BlobAnswer:
        self._device(call)
        return self._hub.serving.answer(call.path.rsplit("/", 1)[1], ask_of(call.headers))

    def _tuf(self, call: Call) -> Answer:
        return Answer(200, self._hub.packaging.tuf_file(call.path.rsplit("/", 1)[1]))

    def _device(self, call: Call) -> str:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotLoggedIn("this door needs a session", field="authorization", hint="POST /device/v1/session first.")
        return self._hub.fleet.session(token)


async def _read(scope: Scope, receive: Receive) -> Call:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise UsageError("the sender has gone")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise HostileInput(f"a body has at most {MAX_BODY_BYTES} bytes", field="body")
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(scope["method"], scope["path"], headers, bytes(body))


async def _write(answer: Answer, send: Send) -> None:
    blob = answer.blob
    length = blob.length if blob else len(answer.body)
    headers = [("content-type", answer.media_type), ("content-length", str(length)), *(blob.headers if blob else ())]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if blob is not None:
        async for chunk in chunks_of(blob):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": answer.body})


def _json(reply: msgspec.Struct) -> Answer:
    return Answer(200, msgspec.json.encode(reply))
