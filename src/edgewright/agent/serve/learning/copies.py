"""Copies of requests for a candidate in its shadow phase, sent as datagrams by apps and read by the worker.

A lost copy costs nothing and an app never waits for one: the sender does not block, and drops what does not fit.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from edgewright.agent.serve.package import Package
from edgewright.contract import arrays
from edgewright.contract.errors import HostileInput

FORMAT = 1
MAX_DATAGRAM_BYTES = 200 * 1000


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One request and how the active model answered it: the class and the best score of each row."""

    inputs: bytes  # contract.arrays
    predicted: tuple[int, ...]
    scores: tuple[float, ...]
    latency_s: float
    format: int = FORMAT


class Sender:
    """Sends copies to the worker's socket. Never waits, never raises."""

    def __init__(self, path: Path) -> None:
        self.sent = 0
        self.dropped = 0
        self._folder = -1
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self._address = address(self._folder, path)

    def send(
        self, package: Package, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], latency_s: float
    ) -> None:
        """Send one request and its answer, or drop it."""
        try:
            if self._socket is None or sum(array.nbytes for array in feeds.values()) > MAX_DATAGRAM_BYTES:
                raise BlockingIOError
            self._socket.sendto(encode(copy_of(package, feeds, outputs, latency_s)), self._address)
            self.sent += 1
        except Exception:  # whatever it is: the app's request has been answered
            self.dropped += 1

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def copy_of(
    package: Package, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], latency_s: float
) -> Copy:
    """The copy of one request, answered by `package`."""
    predicted = package.predicted(outputs)
    return Copy(
        inputs=arrays.encode(feeds),
        predicted=() if predicted is None else tuple(predicted.tolist()),
        scores=tuple(package.best_scores(outputs).tolist()),
        latency_s=latency_s,
    )


def encode(copy: Copy) -> bytes:
    """The datagram. Raises HostileInput if it is too large."""
    data = msgspec.msgpack.encode(copy)
    if len(data) > MAX_DATAGRAM_BYTES:
        raise HostileInput(f"a copy has at most {MAX_DATAGRAM_BYTES} bytes, this one has {len(data)}")
    return data


def decode(data: bytes) -> Copy:
    """Parse a datagram. Raises HostileInput."""
    try:
        copy = msgspec.msgpack.decode(data, type=Copy)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a copy of a request: {error}") from error
    if copy.format != FORMAT or len(data) > MAX_DATAGRAM_BYTES or not copy.latency_s >= 0:
        raise HostileInput(f"not a copy of a request in format {FORMAT}")
    return copy


def inputs_of(copy: Copy) -> dict[str, np.ndarray]:
    """The arrays of the request. Raises HostileInput."""
    return arrays.decode(copy.inputs, "the arrays of a request")


def address(folder: int, path: Path) -> str:
    """A socket's address has at most 107 bytes, so a long path goes through its folder's descriptor."""
    return str(path) if len(os.fsencode(path)) <= 107 or folder < 0 else f"/proc/self/fd/{folder}/{path.name}"
