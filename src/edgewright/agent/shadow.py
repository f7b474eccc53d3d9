"""The shadow phase: apps send copies of their requests as datagrams, the candidate answers them, answers are compared.

A lost copy costs nothing and an app never waits for one: the sender does not block, and drops what does not fit.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from edgewright.agent.package import Package
from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.report import ShadowResult

FORMAT = 1
MAX_DATAGRAM_BYTES = 200 * 1000
SCORE_BINS = 32
MAX_SCORES = 100_000
_POLL_S = 0.2


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One request and how the active model answered it: the class and the best score of each row."""

    inputs: bytes  # safetensors
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
        self._address = _address(self._folder, path)

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


class Receiver:
    """The worker's end: bound on construction, gone from the file system on `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(_address(folder, path))
        finally:
            os.close(folder)
        self._socket.settimeout(_POLL_S)

    def copies(self, until: Callable[[], bool]) -> Iterator[Copy]:
        """Copies as they come, damaged ones left out, until `until()` says so."""
        while not until():
            try:
                yield decode(self._socket.recv(MAX_DATAGRAM_BYTES + 1))
            except (TimeoutError, HostileInput):
                continue

    def close(self) -> None:
        """Unbind."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


class Comparison:
    """What is known so far of how a candidate's answers compare with the active model's."""

    def __init__(self) -> None:
        self.requests = 0
        self._rows = 0
        self._equal = 0
        self._scores = np.zeros((2, SCORE_BINS))
        self._latencies: tuple[list[float], list[float]] = ([], [])

    def add(self, copy: Copy, predicted: np.ndarray, scores: np.ndarray, latency_s: float) -> None:
        """Compare the candidate's answer (classes and best scores by row) with the active model's."""
        if len(copy.predicted) != len(predicted):
            return
        self.requests += 1
        self._rows += len(predicted)
        self._equal += int(np.count_nonzero(predicted == np.asarray(copy.predicted)))
        self._scores += [_score_counts(np.asarray(copy.scores)), _score_counts(scores)]
        if len(self._latencies[0]) < MAX_SCORES:
            self._latencies[0].append(copy.latency_s)
            self._latencies[1].append(latency_s)

    def result(self) -> ShadowResult:
        """The comparison in figures; a share of nothing is 0."""
        sums = np.maximum(self._scores.sum(axis=1, keepdims=True), 1.0)
        active, candidate = self._scores / sums
        active_s = float(np.median(self._latencies[0])) if self.requests else 0.0
        return ShadowResult(
            requests=self.requests,
            agreement=self._equal / self._rows if self._rows else 0.0,
            score_shift=float(np.abs(active - candidate).sum() / 2),
            latency_ratio=float(np.median(self._latencies[1])) / active_s if active_s > 0 else 0.0,
        )


def compare_requests(package: Package, receiver: Receiver, min_requests: int, deadline: float) -> ShadowResult:
    """Answer copies with the candidate until `min_requests` were compared, or time.monotonic() passes `deadline`."""
    comparison = Comparison()
    for copy in receiver.copies(lambda: comparison.requests >= min_requests or time.monotonic() >= deadline):
        with contextlib.suppress(EdgewrightError):  # what it cannot answer is not compared
            feeds = package.feeds(_inputs(copy))
            started = time.perf_counter()
            outputs = package.infer(feeds)
            latency_s = time.perf_counter() - started
            if (predicted := package.predicted(outputs)) is not None:
                comparison.add(copy, predicted, package.best_scores(outputs), latency_s)
    return comparison.result()


def copy_of(
    package: Package, feeds: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], latency_s: float
) -> Copy:
    """The copy of one request, answered by `package`."""
    predicted = package.predicted(outputs)
    return Copy(
        inputs=save({name: np.ascontiguousarray(array) for name, array in feeds.items()}),
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


def _inputs(copy: Copy) -> dict[str, np.ndarray]:
    try:
        return load(copy.inputs)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise HostileInput(f"not the arrays of a request: {error}") from error


def _score_counts(scores: np.ndarray) -> np.ndarray:
    finite = scores[np.isfinite(scores)]
    return np.bincount((np.clip(finite, 0.0, 1.0) * (SCORE_BINS - 1e-9)).astype(np.int64), minlength=SCORE_BINS)


def _address(folder: int, path: Path) -> str:
    """A socket's address has at most 107 bytes, so a long path goes through its folder's descriptor."""
    return str(path) if len(os.fsencode(path)) <= 107 or folder < 0 else f"/proc/self/fd/{folder}/{path.name}"
