"""Windows of profiles: every request is counted in the window of its package, and closed windows wait for the spool."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.agent.disk import SpoolFull, Writer
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.profile import Profile, Schema, decode_schema
from edgewright.contract.report import Fault, ProfileWindow, Record

MAX_WAITING = 1000
MAX_MESSAGE_CHARS = 300


class Source(NamedTuple):
    """The package whose requests are counted, with the bins of its own reference."""

    manifest: Manifest
    schema: Schema


class Outbox:
    """Records on their way to the spool: `put` never waits for the disk and never fails, `drain` does the writing."""

    def __init__(self, writer: Writer, name: str, clock: Callable[[], float]) -> None:
        self.dropped = 0
        self._writer = writer
        self._name = name
        self._clock = clock
        self._waiting: deque[Record] = deque(maxlen=MAX_WAITING)
        self._told: set[str] = set()
        self._draining = threading.Lock()

    def put(self, record: Record) -> None:
        """Have `record` written soon."""
        self._waiting.append(record)

    def fault(self, code: str, message: str) -> None:
        """Tell of a fault, once for each code."""
        if code not in self._told:
            self._told.add(code)
            record = Fault(id=f"{self._name}:{code}", at=self._clock(), code=code, message=message[:MAX_MESSAGE_CHARS])
            self.put(record)

    def drain(self) -> None:
        """Write what waits. What the spool refuses is dropped and counted: the app must go on."""
        with self._draining:
            while self._waiting:
                try:
                    self._writer.append(self._waiting.popleft())
                except (SpoolFull, InvalidInput):
                    self.dropped += 1

    def close(self) -> None:
        """Write what waits and let go of the spool."""
        self.drain()
        self._writer.close()


class Recorder:
    """Counts requests in windows of `window_s` seconds. Any thread may call; nothing here ever raises."""

    def __init__(self, outbox: Outbox, name: str, clock: Callable[[], float]) -> None:
        self.window_s = 60.0
        self.failures = 0
        self._outbox = outbox
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._profile: Profile | None = None
        self._start = 0.0
        self._sequence = 0

    def count(
        self,
        source: Source,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, np.ndarray],
        latency_s: float,
    ) -> None:
        """Count one request. The first of another package closes the window of the one before."""
        try:
            with self._lock:
                profile = self._profile
                if profile is None or self._source is not source:
                    profile = self._open(source)
                profile.update(inputs, outputs, latency_s)
        except Exception as error:
            self._failed(error)

    def due_in_s(self) -> float:
        """When to call `tick` again."""
        left_s = self._start + self.window_s - self._clock() if self._profile is not None else self.window_s
        return max(min(left_s, self.window_s), 0.05)

    def tick(self) -> None:
        """Close the window if its time is over."""
        with self._lock:
            if self._profile is not None and self._clock() - self._start >= self.window_s:
                self._close()

    def close_window(self, source: Source | None = None) -> None:
        """Close the window now; if a `source` is given, only a window of that one."""
        with self._lock:
            if source is None or source is self._source:
                self._close()

    def _open(self, source: Source) -> Profile:
        self._close()
        self._source, self._profile, self._start = source, Profile(source.schema), self._clock()
        return self._profile

    def _close(self) -> None:
        profile, source = self._profile, self._source
        self._profile = None
        if profile is None or source is None or profile.rows == 0:
            return
        try:
            self._sequence += 1
            self._outbox.put(self._window(source, profile))
        except Exception as error:
            self._failed(error)

    def _window(self, source: Source, profile: Profile) -> ProfileWindow:
        return ProfileWindow(
            id=f"{self._name}:{self._sequence}",
            model=source.manifest.model,
            version=source.manifest.version,
            counter=source.manifest.counter,
            schema_sha256=source.schema.sha256,
            start=self._start,
            end=self._clock(),
            rows=profile.rows,
            payload=profile.to_bytes(),
        )

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._outbox.fault("profiling_failed", f"requests are not counted: {type(error).__name__}: {error}")


def read_source(folder: Path, manifest: Manifest) -> Source:
    """What is needed to count requests of the package in `folder`. Raises HostileInput, or OSError."""
    return Source(manifest, decode_schema((folder / manifest.file(Role.REFERENCE).name).read_bytes()))
