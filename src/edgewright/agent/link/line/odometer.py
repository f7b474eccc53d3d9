"""How many bytes a connection has moved over the wire, as the kernel counts them: TLS, repeats and headers too."""

from __future__ import annotations

import socket
import struct
from typing import Protocol

SEGMENT_BYTES = 52  # IPv4, TCP and its timestamps, around every segment
_SEGMENTS = struct.Struct("@II")  # struct tcp_info of linux/tcp.h: tcpi_segs_out, tcpi_segs_in
_SEGMENTS_AT = 136
_RECEIVED = struct.Struct("@Q")  # tcpi_bytes_received
_RECEIVED_AT = 128
_SENT = struct.Struct("@Q")  # tcpi_bytes_sent, of Linux 4.19; repeats are in it
_SENT_AT = 200


class Meter(Protocol):
    """Is told what crosses the line."""

    def count(self, size_bytes: int, *, is_bulk: bool) -> None:
        """So many bytes more, up or down; `is_bulk` says that they could have waited."""
        ...


class Uncounted:
    """A meter for lines that cost nothing."""

    def count(self, size_bytes: int, *, is_bulk: bool) -> None:
        """Forget it."""


class Odometer:
    """Tells a meter what one connection has moved. Where the kernel does not say, what was read and written counts."""

    def __init__(self, connected: socket.socket, meter: Meter) -> None:
        self._connected = connected
        self._meter = meter
        self._counted_bytes = 0

    def tell(self, plain_bytes: int, *, is_bulk: bool) -> None:
        """Count what has been moved since the last time; `plain_bytes` of it are what we read or wrote."""
        total_bytes = _moved_bytes(self._connected) or self._counted_bytes + plain_bytes
        if total_bytes > self._counted_bytes:
            self._meter.count(total_bytes - self._counted_bytes, is_bulk=is_bulk)
            self._counted_bytes = total_bytes


def _moved_bytes(connected: socket.socket) -> int:
    """All bytes of a TCP connection up to now; 0 where the kernel does not tell."""
    try:
        facts = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return 0
    if len(facts) < _SENT_AT + _SENT.size:
        return 0
    (received,), (sent,) = _RECEIVED.unpack_from(facts, _RECEIVED_AT), _SENT.unpack_from(facts, _SENT_AT)
    return int(received + sent + SEGMENT_BYTES * sum(_SEGMENTS.unpack_from(facts, _SEGMENTS_AT)))
