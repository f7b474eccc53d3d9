"""An HTTP connection that waits no longer than its deadline says, and counts what it moves."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult

from edgewright.agent.link.line.deadline import Deadline, Patience
from edgewright.agent.link.line.odometer import Odometer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_ADDRESSES = 6


class TimedConnection(http.client.HTTPConnection):
    """An HTTP connection that reads and writes by `deadline`, which its user sets anew for every answer.

    `is_bulk` says whether what it moves could have waited; its user sets that anew too.
    """

    def __init__(self, url: SplitResult, patience: Patience) -> None:
        self._patience = patience
        self._is_tls = url.scheme == "https"
        self.default_port = http.client.HTTPS_PORT if self._is_tls else http.client.HTTP_PORT
        super().__init__(url.hostname or "", url.port, timeout=patience.silence_s)
        self.deadline: Deadline = patience.begin()
        self.is_bulk = False
        self._wire: socket.socket | None = None

    def connect(self) -> None:
        """Connect, shake hands, and put the clock and the odometer on whatever is said; raises OSError, NotTrusted."""
        bare = self._wire = self.deadline.spend(lambda time_s: _dial(self.host, self.port, time_s))
        try:
            connected = self.deadline.spend(lambda time_s: self._greet(bare, time_s))
        except BaseException:
            bare.close()
            raise
        self._wire = connected
        self.sock = cast("Any", _TimedSocket(connected, self, Odometer(connected, self._patience.meter)))

    def hang_up(self) -> None:
        """From another thread: let whoever waits on this connection find that it has ended."""
        if self._wire is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)  # TLS would say goodbye first

    def _greet(self, bare: socket.socket, time_s: float) -> socket.socket:
        bare.settimeout(time_s)
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._patience.tls.wrap(bare, self.host) if self._is_tls else bare


def _dial(host: str, port: int, time_s: float) -> socket.socket:
    """Try the addresses of a host one after the other, all of them together within `time_s`."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:MAX_ADDRESSES]
    problem = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in addresses:
        bare = socket.socket(family, kind, protocol)
        try:
            bare.settimeout(time_s / len(addresses))
            bare.connect(address)
        except OSError as error:
            bare.close()
            problem = error
        else:
            return bare
    raise problem


class _TimedSocket:
    """What http.client asks of a socket."""

    def __init__(self, connected: socket.socket, owner: TimedConnection, odometer: Odometer) -> None:
        self._connected = connected
        self._owner = owner
        self._odometer = odometer

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedBytes(self._connected, self._owner, self._odometer))

    def sendall(self, data: bytes) -> None:
        try:
            self._owner.deadline.send(self._connected, data)
        finally:
            self._odometer.tell(len(data), is_bulk=self._owner.is_bulk)

    def close(self) -> None:
        self._odometer.tell(0, is_bulk=self._owner.is_bulk)
        self._connected.close()


class _TimedBytes(io.RawIOBase):
    """The bytes of one answer. As with `socket.makefile`, the socket stays open until they are let go too."""

    def __init__(self, connected: socket.socket, owner: TimedConnection, odometer: Odometer) -> None:
        self._connected = connected
        self._bytes = connected.makefile("rb", buffering=0)
        self._owner = owner
        self._deadline = owner.deadline
        self._odometer = odometer

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        count = self._deadline.receive(self._connected, lambda: self._bytes.readinto(buffer))
        self._odometer.tell(count or 0, is_bulk=self._owner.is_bulk)
        return count

    def close(self) -> None:
        self._bytes.close()
        super().close()
