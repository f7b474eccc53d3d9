"""The worker's end of the shadow phase: the candidate answers copies of requests, and its answers are compared."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edgewright.agent.serve.learning.copies import MAX_DATAGRAM_BYTES, Copy, address, decode, inputs_of
from edgewright.agent.serve.package import Package
from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.report import ShadowResult

SCORE_BINS = 32
MAX_SCORES = 100_000
_POLL_S = 0.2


class Receiver:
    """The worker's end: bound on construction, gone from the file system on `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(address(folder, path))
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
            feeds = package.feeds(inputs_of(copy))
            started = time.perf_counter()
            outputs = package.infer(feeds)
            latency_s = time.perf_counter() - started
            if (predicted := package.predicted(outputs)) is not None:
                comparison.add(copy, predicted, package.best_scores(outputs), latency_s)
    return comparison.result()


def _score_counts(scores: np.ndarray) -> np.ndarray:
    finite = np.clip(scores[np.isfinite(scores)], 0.0, 1.0)
    bins = np.minimum((finite * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)  # 1.0 belongs to the last bin
    return np.bincount(bins, minlength=SCORE_BINS)
