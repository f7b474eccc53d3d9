"""Routes /device/v1/*: check-ins are answered in the event loop, the rest in threads: the rooms are synchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import structlog

from edgewright.contract.errors import EdgewrightError, NotFound
from edgewright.contract.report import Batch, EnrolRequest
from edgewright.contract.wire import read_json, read_msgpack
from edgewright.hub.app import Hub
from edgewright.hub.registry.serving import BlobAnswer
from edgewright.hub.web.devices.checkin import CheckIns
from edgewright.hub.web.devices.intake import Act, intake
from edgewright.hub.web.devices.protocol import Quick
from edgewright.hub.web.devices.stretching import Load
from edgewright.hub.web.devices.threads import Threads
from edgewright.hub.web.devices.wire import (
    CHECK_IN,
    NO_BODY,
    NOTHING_NEW,
    NOTHING_NEW_HEAD,
    PREFIX,
    Answer,
    Call,
    Receive,
    Scope,
    Send,
    as_json,
    read_body,
    refusal,
    token_of,
    whole_call,
    write,
)
from edgewright.hub.web.streaming import CHUNK_BYTES, OCTETS, ask_of, read_span

log = structlog.get_logger()

_MISTAKE = Answer(500, b'{"error":{"code":"internal","message":"the hub made a mistake"}}')


class DeviceDoors:
    """ASGI for one HTTP request of a device. Without a `load` check-ins are never stretched."""

    def __init__(self, hub: Hub, load: Load | None = None) -> None:
        self._hub = hub
        self._threads = Threads(hub.settings.requests_waiting)
        self._check_ins = CheckIns(hub, self._threads, load)
        self._doors: dict[tuple[str, str], Callable[[Call], Awaitable[Answer]]] = {
            ("POST", "nonce"): self._nonce,
            ("POST", "session"): self._session,
            ("POST", "batch"): self._batch,
            ("POST", "enrol"): lambda call: self._threads.do(self._enrol, call),
            ("GET", "blobs"): lambda call: self._threads.do(self._blob, call),
            ("HEAD", "blobs"): lambda call: self._threads.do(self._blob_head, call),
            ("GET", "tuf"): lambda call: self._threads.do(self._tuf, call),
        }

    @property
    def quick(self) -> Quick:
        """Answers a check-in from memory; None where it must be asked for by the usual way."""
        return self._check_ins.quick

    @property
    def check_ins(self) -> dict[str, int]:
        """How many check-ins this process has answered, by where the answer came from."""
        return {"memory": self._check_ins.from_memory, "database": self._check_ins.asked}

    @property
    def share(self) -> float:
        """How much of the places of waiting requests is taken, from 0 to 1."""
        return self._threads.share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry for one HTTP request."""
        try:
            if scope["path"] == CHECK_IN and scope["method"] == "POST":
                headers, body = scope["headers"], await read_body(receive)
                answer = self._check_ins.quick(headers, body) or await self._check_ins.slow(headers, body)
                if answer is NOTHING_NEW:
                    await send(NOTHING_NEW_HEAD)
                    await send(NO_BODY)
                    return
            else:
                answer = await self._answer(whole_call(scope, await read_body(receive)))
        except EdgewrightError as error:
            answer = refusal(error)
        except Exception:
            log.exception("device.failed", path=scope["path"])
            answer = _MISTAKE
        await write(answer, send)

    async def _answer(self, call: Call) -> Answer:
        name = call.path.removeprefix(PREFIX).split("/", 1)[0]
        door = self._doors.get((call.method, name))
        if door is None:
            raise NotFound(f"there is no {call.method} {call.path}", field="path")
        return await door(call)

    async def _nonce(self, _call: Call) -> Answer:
        return as_json(self._hub.fleet.nonce())

    async def _session(self, call: Call) -> Answer:
        presence, now = self._hub.fleet.presence, self._hub.clock()
        signed = await self._threads.do(presence.verify_session, call.headers, call.body, call.method, call.path, now)
        commit = self._hub.commits.submit(lambda connection: presence.open_session(connection, signed, now))
        return as_json(presence.sessions.remember(await asyncio.wrap_future(commit)))

    async def _batch(self, call: Call) -> Answer:
        """Nothing is acknowledged before it has been committed."""
        act = await self._threads.do(self._verified, call)
        reply = await asyncio.wrap_future(self._hub.commits.submit(act))
        return Answer(200, msgspec.msgpack.encode(reply), "application/msgpack")

    def _verified(self, call: Call) -> Act:
        device = self._device(call)
        self._hub.fleet.verify_batch(device, call.headers, call.body, call.method, call.path)
        return intake(self._hub, device, read_msgpack(call.body, Batch, "a batch"))

    def _enrol(self, call: Call) -> Answer:
        request = read_json(call.body, EnrolRequest, "an enrolment")
        return as_json(self._hub.fleet.enrol(request, call.headers, call.body, call.method, call.path))

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
        token = token_of((name.encode("latin-1"), value.encode("latin-1")) for name, value in call.headers.items())
        return self._hub.fleet.session(token.decode("latin-1"))
