"""A hub in a test: a real HTTP server with real metadata, signatures and sessions, which answers as the test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
from device import NOW, Releases, Shelf

from edgewright.client.keys import OperatorKeys, ceremony
from edgewright.contract import httpsig
from edgewright.contract import order as orders
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.envelope import seal
from edgewright.contract.errors import EdgewrightError, NotAllowed, NotFound, NotLoggedIn, Refused, to_body
from edgewright.contract.order import Bench, Collect, Install, Order, Rollback
from edgewright.contract.report import (
    Batch,
    BatchReply,
    CheckIn,
    EnrolReply,
    EnrolRequest,
    NonceReply,
    Record,
    SessionReply,
)
from edgewright.hub.govern import Keys
from edgewright.hub.packaging.repository import Repository, SignedPayload

CLAIM = "ew_claim_1"
TTL_S = 600.0


class ScriptedHub:
    """`installs`, `rollbacks`, `collects` are what the next order asks for; the rest are ways to misbehave."""

    def __init__(self, folder: Path, now: float = NOW) -> None:
        self.now = now
        self.folder = folder
        self.payload_type = orders.PAYLOAD_TYPE
        self.keys = Keys(folder / "keys")
        self.operator = OperatorKeys(folder / "operator")
        moment = datetime.fromtimestamp(self.now, UTC)
        ceremony(folder / "operator", folder / "tuf", self.keys.public(), moment)
        self.repository = Repository(folder / "tuf", self.keys.timestamp, self.keys.snapshot)
        self.repository.renew(moment)
        self.shelf = Shelf()
        self.releases = Releases(self.shelf)
        self.installs: tuple[Install, ...] = ()
        self.rollbacks: tuple[Rollback, ...] = ()
        self.collects: tuple[Collect, ...] = ()
        self.benches: tuple[Bench, ...] = ()
        self.device_key: DevicePublicKey | None = None
        self.tokens: set[str] = set()
        self.check_ins: list[CheckIn] = []
        self.records: list[Record] = []
        self.asked: list[str] = []
        self.signer = self.keys.director
        self.forged: dict[str, object] = {}
        self.is_claim_used = self.is_revoked = self.is_silent = self.is_away = False
        self.refused_ids: set[str] = set()
        self.streams: dict[str, Callable[[], Iterable[bytes]]] = {}  # by door: what it says instead, without an end
        self.envelopes: list[bytes] = []  # the orders that were sent
        self.replayed: bytes | None = None  # what is sent in place of an order
        self.is_closed = False
        self.sends_on_to = ""  # where blobs are, for devices that do not insist
        self.connections = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def release(self, counter: int, **changes) -> Install:
        """Sign a package, publish it, and order it."""
        install, _, data = self.releases.install(counter, **changes)
        return self.publish(install, data)

    def publish(self, install: Install, data: bytes) -> Install:
        """Sign a package whose manifest is `data`, and order it."""
        moment = datetime.fromtimestamp(self.now, UTC)
        facts = (len(data), install.manifest_sha256)
        payloads = self.repository.draft("digits", {install.target_path: facts}, moment)
        pieces = [SignedPayload(payload, tuple(self.operator.sign(payload))) for payload in payloads]
        self.repository.publish(pieces, moment)
        self.installs = (install,)
        return install

    def close(self) -> None:
        self.is_closed = True
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        door = path.removeprefix("/device/v1/").split("/")
        self.asked.append(f"{method} {door[0]}")
        if self.is_revoked and door[0] != "nonce":
            raise NotAllowed("this device is revoked")
        match method, door:
            case "POST", ["nonce"]:
                return 200, msgspec.json.encode(NonceReply(nonce="n1", ttl_s=60.0))
            case "POST", ["enrol"]:
                return 200, self._enrol(path, headers, body)
            case "POST", ["session"]:
                self._verify(path, headers, body)
                self.tokens.add(f"token-{len(self.asked)}")
                return 200, msgspec.json.encode(SessionReply(token=f"token-{len(self.asked)}", expires_in_s=600.0))
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise NotLoggedIn("the session has ended")
        match method, door:
            case "POST", ["checkin"]:
                return self._check_in(msgspec.json.decode(body, type=CheckIn))
            case "POST", ["batch"]:
                self._verify(path, headers, body)
                return 200, self._batch(msgspec.msgpack.decode(body, type=Batch))
            case "GET", ["tuf", name]:
                return 200, self.repository.file(name)
            case "GET", ["blobs", sha256] if self.sends_on_to and "edgewright-direct" not in headers:
                return 307, f"{self.sends_on_to}{sha256}".encode()
            case "GET", ["blobs", sha256] if sha256 in self.shelf.blobs:
                offset = int(headers.get("range", "bytes=0-")[6:-1])
                return (206 if offset else 200), self.shelf.blobs[sha256][offset:]
        raise NotFound(f"there is no {method} {path}")

    def _enrol(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        request = msgspec.json.decode(body, type=EnrolRequest)
        if self.is_claim_used or request.claim != CLAIM:
            raise NotAllowed("the claim token was used already", field="claim", hint="Make another.")
        self.device_key = DevicePublicKey(request.public_key)
        self._verify(path, headers, body)
        reply = EnrolReply(device="dev1", root=self.repository.root_bytes(), hub_time=self.now, labels={"site": "x"})
        return msgspec.json.encode(reply)

    def _check_in(self, state: CheckIn) -> tuple[int, bytes]:
        self.check_ins.append(state)
        facts = {
            "device": "dev1",
            "nonce": state.nonce,
            "issued_at": self.now,
            "ttl_s": TTL_S,
            "installs": self.installs,
            "rollbacks": self.rollbacks,
            "collects": self.collects,
            "benches": self.benches,
        }
        order = Order(**{**facts, **self.forged})
        if self.is_silent or orders.etag(order) == state.etag:
            return 304, b""
        self.envelopes.append(seal(msgspec.json.encode(order), self.payload_type, self.signer))
        return 200, self.replayed or self.envelopes[-1]

    def _batch(self, batch: Batch) -> bytes:
        if self.refused_ids & {record.id for record in batch.records}:
            raise Refused("a record is not acceptable")
        self.records.extend(batch.records)
        return msgspec.msgpack.encode(BatchReply(committed=tuple(record.id for record in batch.records)))

    def _verify(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert self.device_key is not None
        httpsig.verify("POST", path, body, headers, self.device_key)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                hub.connections += 1
                super().setup()

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if hub.is_away:
                    self.close_connection = True
                    return
                door = self.path.removeprefix("/device/v1/").split("/")[0]
                if door in hub.streams:
                    self.stream(hub.streams[door]())
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    status, reply = hub.answer(self.command, self.path, headers, body)
                except EdgewrightError as error:
                    status, reply = error.http_status, msgspec.json.encode(to_body(error))
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", reply.decode())
                if status == 206:
                    start, size = int(headers["range"][6:-1]), int(headers["range"][6:-1]) + len(reply)
                    self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def stream(self, parts: Iterable[bytes]) -> None:
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Length", str(10**12))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for part in parts:
                        if hub.is_closed:
                            return
                        self.wfile.write(part)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
