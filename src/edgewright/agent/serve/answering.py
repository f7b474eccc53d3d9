"""Answers requests of one model in this process, and sees to what is learnt on the side.

Profiles, copies for a shadow phase and samples never fail a request and never wait for the disk: a thread of its own
closes windows, follows what the agent asks for, and writes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.agent.disk import Writer, slots
from edgewright.agent.disk import policy as policies
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.runtimes import InferenceFailed
from edgewright.agent.serve.active import Stamp, read_policy, stamp
from edgewright.agent.serve.learning.accounts import Accounts
from edgewright.agent.serve.learning.collector import Collector
from edgewright.agent.serve.learning.copies import Sender
from edgewright.agent.serve.learning.daily import Daily
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.learning.recorder import Recorder, Source, read_source
from edgewright.agent.serve.learning.taps import Taps
from edgewright.agent.serve.package import Package, open_package
from edgewright.contract.errors import EdgewrightError, InvalidInput
from edgewright.contract.report import Tap

LOOK_EVERY_S = 0.05
END_WITHIN_S = 5.0


class Serving(NamedTuple):
    """A loaded package. `source` is None where its requests cannot be counted."""

    manifest_sha256: str
    package: Package
    source: Source | None
    vitals: Vitals


class Seen(NamedTuple):
    """A request that was answered."""

    serving: Serving
    feeds: Mapping[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    latency_s: float
    reference: str


class Answering:
    """What answers and watches. Belongs to one process; `answer` may be called by several threads.

    `follow` is called by the thread beside the requests when the agent has changed a file of the model's folder, and
    not before `retry_at` (of time.monotonic; 0 for no time).
    """

    def __init__(
        self, root: Path, model: str, follow: Callable[[], None] | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.look_at = 0.0
        self.retry_at = 0.0
        self.is_closed = False
        self.closing = threading.Event()
        self._root = root
        self._model = model
        self._folder = root / "models" / model
        self._follow = follow
        self._watched = [self._folder / policies.NAME, *([self._folder / slots.STATE] if follow else [])]
        writer = f"{model}-{os.getpid()}-{os.urandom(8).hex()}"
        self._outbox = Outbox(Writer(root / "spool", writer), writer, clock)
        self._recorder = Recorder(self._outbox, writer, clock, Accounts(root, model))
        self._taps = Taps()
        random = np.random.default_rng(int.from_bytes(os.urandom(8), "big"))
        self._collector = Collector(self._outbox, writer, root / "run", clock, random, Daily(root, model))
        self._sender: Sender | None = None
        self._shadow_socket = ""
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seen: list[Stamp] = []
        self._seen_policy: Stamp = None

    def open(self, folder: Path, manifest_sha256: str, vitals: Vitals) -> Serving:
        """Load and warm the package in `folder`; raises what `open_package` raises. `vitals` are ready after that."""
        package = open_package(folder, manifest_sha256)
        vitals.ready()
        return Serving(manifest_sha256, package, self._source(folder, package), vitals)

    def retire(self, serving: Serving) -> None:
        """Close the window of what answers no more."""
        serving.vitals.close()
        if serving.source is not None:
            self._recorder.close_window(serving.source)

    def look(self, now: float) -> None:
        """See whether the agent has changed something; the rest is done beside the requests."""
        self.look_at = now + LOOK_EVERY_S
        seen = [stamp(path) for path in self._watched]
        if seen != self._seen or 0.0 < self.retry_at <= now:
            self._seen = seen
            self._wake.set()
        if self._thread is None and not self.is_closed:
            self._start_thread()

    def answer(self, serving: Serving, inputs: Mapping[str, np.ndarray], reference: str) -> dict[str, np.ndarray]:
        """Infer, and learn from it. Raises InvalidInput or InferenceFailed."""
        seen = self.infer(serving, inputs, reference)
        self.learn(seen)
        return seen.outputs

    def infer(self, serving: Serving, inputs: Mapping[str, np.ndarray], reference: str) -> Seen:
        """Infer alone: `learn` is to follow. Raises InvalidInput or InferenceFailed.

        A request that the model fails at is counted as one without outputs: gates compare how often that happens.
        """
        package = serving.package
        try:
            feeds = package.feeds(inputs)
        except InvalidInput as error:
            if serving.source is not None:
                self._recorder.reject(serving.source, error.field)
            raise
        flight = serving.vitals.begin()
        started = time.perf_counter()
        try:
            outputs = package.infer(feeds)
        except InferenceFailed:
            if serving.source is not None:
                self._recorder.count(serving.source, feeds, {}, time.perf_counter() - started)
            raise
        finally:
            latency_s = time.perf_counter() - started
            serving.vitals.end(flight)
        return Seen(serving, feeds, outputs, latency_s, reference)

    def learn(self, seen: Seen) -> None:
        """Count a request, and pass it on to who has asked for copies or samples. Never raises."""
        serving, feeds, outputs, latency_s, reference = seen
        if serving.source is not None:
            self._recorder.count(serving.source, feeds, outputs, latency_s)
        if self._sender is not None:
            self._sender.send(serving.package, feeds, outputs, latency_s)
        if self._collector.is_collecting and self._collector.offer(serving.package, feeds, outputs, reference):
            self._wake.set()

    def feedback(self, serving: Serving, reference: str, tap: Tap) -> bool:
        """Count what a person says of an answer; False where that was said before. Raises InvalidInput."""
        with self._starting:
            is_new = self._taps.is_new(reference, tap)
        if is_new and serving.source is not None:
            self._recorder.tap(serving.source, tap)
        self.look(time.monotonic())
        return is_new

    def fault(self, code: str, message: str) -> None:
        """Tell the hub of a fault, once for each code."""
        self._outbox.fault(code, message)

    def close(self) -> None:
        """Spool the last window and let go of everything."""
        self.is_closed = True
        self.closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=END_WITHIN_S)
        self._recorder.close_window()
        self._outbox.close()
        if self._sender is not None:
            self._sender.close()

    def _start_thread(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"edgewright-{self._model}", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self.closing.is_set():
            self._keep_house()
            self._wake.wait(self._recorder.due_in_s())
            self._wake.clear()

    def _keep_house(self) -> None:
        try:
            self._follow_policy()
            if self._follow is not None:
                self._follow()
            self._recorder.tick()
            self._collector.finish(self._recorder.window_s)
            self._outbox.drain()
        except Exception as error:
            self._outbox.fault("app_side_failed", f"{type(error).__name__}: {error}")

    def _follow_policy(self) -> None:
        found = stamp(self._folder / policies.NAME)
        if found == self._seen_policy:
            return
        self._seen_policy = found
        policy = read_policy(self._folder)
        self._recorder.window_s = policy.window_s
        self._collector.want(policy.sampling)
        if policy.shadow_socket != self._shadow_socket:
            self._shadow_socket = policy.shadow_socket
            old, self._sender = self._sender, Sender(Path(policy.shadow_socket)) if policy.shadow_socket else None
            if old is not None:
                old.close()

    def _source(self, folder: Path, package: Package) -> Source | None:
        try:
            return read_source(folder, package.manifest)
        except (EdgewrightError, OSError) as error:
            release = f"{self._model} release {package.manifest.counter}"
            self._outbox.fault("profiling_failed", f"{release} has no reference: {error}")
            return None
