"""The way to the hub: the device API over HTTP, signed requests and a session."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from edgewright.agent.link.line import (
    Deadline,
    Patience,
    TimedConnection,
    TooSlow,
    check_sender,
    foreign_errors_told,
    raise_for_hub,
)
from edgewright.contract import httpsig
from edgewright.contract.devicekey import DeviceKey
from edgewright.contract.errors import EdgewrightError, HostileInput, NotLoggedIn, Unreachable, UsageError
from edgewright.contract.order import MAX_ORDER_BYTES
from edgewright.contract.report import (
    Batch,
    BatchReply,
    CheckIn,
    EnrolReply,
    EnrolRequest,
    Fault,
    InstallReport,
    NonceReply,
    SessionReply,
)
from edgewright.contract.wire import read_json, read_msgpack

API = "/device/v1"
DIRECT = {"Edgewright-Direct": "1"}
"""Asks the hub not to send this device elsewhere for a blob."""
MAX_REPLY_BYTES = 4 * 1024 * 1024
MAX_WORD_BYTES = 16 * 1024

T = TypeVar("T")


class Link:
    """One device's requests to its hub. `device` is '' until it is enrolled.

    A talk must end within `talk_s` seconds, and nothing in it may come slower than `patience` allows.

    Raises Unreachable where the hub does not answer (Later where it says when it will), NotAllowed where it will not
    have this device, HostileInput where its answer is none, and Told or NotFound for what else it says.
    """

    def __init__(
        self,
        hub: str,
        key: DeviceKey,
        *,
        device: str,
        clock: Callable[[], float],
        patience: Patience,
        talk_s: float,
    ) -> None:
        self._url = urlsplit(hub)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise UsageError(f"'{hub}' is not the address of a hub", field="hub", hint="It begins http:// or https://.")
        self._key = key
        self._device = device
        self._clock = clock
        self._patience = patience
        self._talk_s = talk_s
        self._ends_at: float | None = None
        self._connection: TimedConnection | None = None
        self._token = ""
        self._is_bulk = False
        self._is_over = False

    @contextlib.contextmanager
    def talk(self, signed_bytes: int = 0) -> Iterator[None]:
        """All that is asked in here is one talk, with time besides for `signed_bytes`, a length that people signed.

        Without, every request is a talk.
        """
        now = self._patience.monotonic()
        self._ends_at = now + self._talk_s + signed_bytes / self._patience.min_bytes_s
        try:
            yield
        finally:
            self._ends_at = None

    def enrol(self, request: EnrolRequest) -> EnrolReply:
        """Make this device known with a claim token."""
        body = msgspec.json.encode(request)
        reply = self._signed("/enrol", body, keyid=hashlib.sha256(request.public_key).hexdigest())
        return read_json(reply, EnrolReply, "an enrolment")

    def check_in(self, state: CheckIn) -> bytes | None:
        """Say what is here; the envelope of an order comes back, or None: nothing new since `etag`."""
        body = msgspec.json.encode(state)
        status, reply = self._in_session(lambda: self._ask("POST", "/checkin", body, _JSON, 2 * MAX_ORDER_BYTES))
        return None if status == http.client.NOT_MODIFIED else reply

    def send(self, batch: Batch) -> BatchReply:
        """Hand over records; the ids that are committed come back."""
        body = msgspec.msgpack.encode(batch)
        self._is_bulk = not all(isinstance(record, InstallReport | Fault) for record in batch.records)
        try:
            _, reply = self._in_session(lambda: (200, self._signed("/batch", body, keyid=self._device, kind=_MSGPACK)))
        finally:
            self._is_bulk = False
        return read_msgpack(reply, BatchReply, "a batch reply")

    def tuf(self, name: str, max_bytes: int) -> bytes:
        """A file of the hub's signed metadata, such as 'timestamp.json' or '2.root.json'."""
        return self._in_session(lambda: self._ask("GET", f"/tuf/{name}", b"", {}, max_bytes))[1]

    def blob(self, sha256: str, max_bytes: int) -> bytes:
        """A small blob from the hub itself, hashed; raises HostileInput if it is another."""
        data = self._in_session(lambda: self._ask("GET", f"/blobs/{sha256}", b"", DIRECT, max_bytes))[1]
        if hashlib.sha256(data).hexdigest() != sha256:
            raise HostileInput(f"the blob {sha256[:12]} has other bytes than its digest says", field="sha256")
        return data

    def in_session(self, ask: Callable[[dict[str, str]], T]) -> T:
        """Ask with the headers of a session; one that has ended is opened anew, once."""
        return self._in_session(lambda: ask(self._bearer()))

    def url(self, door: str) -> str:
        """Where a door of the device API is."""
        return self._url._replace(path=self._path(door), query="", fragment="").geturl()

    def hang_up(self) -> None:
        """From another thread: break off what is being said, and say nothing more."""
        self._is_over = True
        if (connection := self._connection) is not None:
            connection.hang_up()

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _in_session(self, ask: Callable[[], T]) -> T:
        """Ask with a session's token; a session that has ended is opened anew, once."""
        if not self._token:
            self._open_session()
        try:
            return ask()
        except NotLoggedIn:
            self._open_session()
            return ask()

    def _open_session(self) -> None:
        self._token = ""
        self._token = read_json(self._signed("/session", b"{}", keyid=self._device), SessionReply, "a session").token

    def _signed(self, door: str, body: bytes, *, keyid: str, kind: dict[str, str] | None = None) -> bytes:
        nonce = read_json(self._ask("POST", "/nonce", b"", {}, MAX_WORD_BYTES)[1], NonceReply, "a nonce").nonce
        created = int(self._clock())
        signature = httpsig.sign(
            "POST", self._path(door), body, key=self._key, keyid=keyid, nonce=nonce, created=created
        )
        return self._ask("POST", door, body, {**(kind or _JSON), **signature}, MAX_REPLY_BYTES)[1]

    def _ask(self, method: str, door: str, body: bytes, headers: dict[str, str], max_bytes: int) -> tuple[int, bytes]:
        """One request on the kept connection; a connection that was closed meanwhile is opened anew, once."""
        was_open = self._connection is not None
        try:
            response, reply = self._exchange(method, door, body, headers, max_bytes)
        except Unreachable as error:
            if not was_open or isinstance(error, TooSlow):
                raise
            response, reply = self._exchange(method, door, body, headers, max_bytes)
        check_sender(response)
        if response.status >= 300 and response.status != http.client.NOT_MODIFIED:
            raise_for_hub(response.status, reply, response.headers)
        return response.status, reply

    def _exchange(
        self, method: str, door: str, body: bytes, headers: dict[str, str], max_bytes: int
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if self._is_over:
            raise Unreachable("this device has hung up")
        self._connection = self._connection or TimedConnection(self._url, self._patience)
        self._connection.deadline, self._connection.is_bulk = self._begin(), self._is_bulk
        with self._or_close(), foreign_errors_told():
            self._connection.request(method, self._path(door), body or None, {**self._bearer(), **headers})
            response = self._connection.getresponse()
            if (response.length or 0) > max_bytes:
                raise HostileInput(f"the hub's answer to {door} is longer than {max_bytes} bytes")
            data = response.read(max_bytes + 1)
            if len(data) > max_bytes:
                raise HostileInput(f"the hub's answer to {door} is longer than {max_bytes} bytes")
            if response.length:
                raise Unreachable(f"the answer broke off {response.length} bytes before its end")
        if response.will_close:
            self.close()
        return response, data

    @contextlib.contextmanager
    def _or_close(self) -> Iterator[None]:
        try:
            yield
        except EdgewrightError:
            self.close()
            raise

    def _begin(self) -> Deadline:
        alone = self._patience.monotonic() + self._talk_s
        return self._patience.begin(alone if self._ends_at is None else self._ends_at)

    def _path(self, door: str) -> str:
        return self._url.path.rstrip("/") + API + door

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


_JSON = {"Content-Type": "application/json"}
_MSGPACK = {"Content-Type": "application/msgpack"}
