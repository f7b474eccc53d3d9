"""Windows of profiles: every request is counted in the window of its package, and closed windows wait for the spool."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.agent.serve.learning.accounts import Accounts
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.learning.readings import Meter, Readings
from edgewright.contract.data_policy import Privacy
from edgewright.contract.manifest import Manifest, Role
from edgewright.contract.profile import Profile, Schema, Tap, decode_schema
from edgewright.contract.report import ProfileWindow

NO_PRIVACY = Privacy(min_category_rows=0)


class Source(NamedTuple):
    """The package whose requests are counted, with the bins of its own reference."""

    manifest: Manifest
    schema: Schema

    @property
    def privacy(self) -> Privacy:
        """What its data policy says of profiles."""
        policy = self.manifest.data
        found = msgspec.UNSET if isinstance(policy, msgspec.UnsetType) else policy.privacy
        return NO_PRIVACY if isinstance(found, msgspec.UnsetType) else found


class _Closed(NamedTuple):
    """A window that counts no more."""

    source: Source
    profile: Profile
    id: str
    start: float
    end: float


class Recorder:
    """Counts requests in windows of `window_s` seconds. Any thread may call; nothing here ever raises.

    With a privacy budget a window is paid for before it leaves. Where the day's budget is spent it stays open, so that
    nothing is lost but resolution; one that must be closed all the same (the package is replaced, the process ends) is
    dropped, and a fault says so.
    """

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        clock: Callable[[], float],
        accounts: Accounts,
        read: Callable[[], Readings] | None = None,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self.window_s = 60.0
        self.failures = 0
        self._outbox = outbox
        self._name = name
        self._clock = clock
        self._accounts = accounts
        self._read = read or Meter()
        self._below = below
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._profile: Profile | None = None
        self._last: Profile | None = None
        self._closed: list[_Closed] = []
        self._start = 0.0
        self._waits_since = 0.0
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

    def reject(self, source: Source, tensor: str) -> None:
        """Count a request that was refused for one of its inputs."""
        with self._lock:
            self._open(source).reject(tensor)

    def tap(self, source: Source, tap: Tap) -> None:
        """Count what a person said of an answer."""
        with self._lock:
            self._open(source).tap(tap)

    def due_in_s(self) -> float:
        """When to call `tick` again."""
        left_s = self._left_s() if self._profile is not None else self.window_s
        return max(min(left_s, self.window_s), 0.05)

    def tick(self) -> None:
        """Close the window if its time is over, and it is paid for; send what was closed."""
        with self._lock:
            source = self._source if self._profile is not None and self._left_s() <= 0 else None
        if source is not None:
            is_paid = self._pay(source)
            with self._lock:
                self._waits_since = self._clock()
                closed = self._close() if is_paid else None
            if closed is not None:
                self._send(closed)
        self._send_closed()

    def close_window(self, source: Source | None = None) -> None:
        """Close the window now; if a `source` is given, only a window of that one."""
        with self._lock:
            if source is None or source is self._source:
                self._set_aside()
        self._send_closed()

    def _open(self, source: Source) -> Profile:
        """The open window of `source`; one of another package is closed. The caller holds the lock."""
        if self._profile is not None and self._source is source:
            return self._profile
        self._set_aside()
        after = self._last if self._source is source else None
        self._source, self._profile, self._start = source, Profile(source.schema, after), self._clock()
        self._waits_since = self._start
        return self._profile

    def _left_s(self) -> float:
        return self._waits_since + self.window_s - self._clock()

    def _set_aside(self) -> None:
        closed = self._close()
        if closed is not None:
            self._closed.append(closed)

    def _close(self) -> _Closed | None:
        """Take the open window away; None where there is none, or nothing in it. The caller holds the lock."""
        profile, source = self._profile, self._source
        self._last, self._profile = profile, None
        if profile is None or source is None or profile.is_empty:
            return None
        profile.settle()
        self._sequence += 1
        return _Closed(source, profile, f"{self._name}:{self._sequence}", self._start, self._clock())

    def _send_closed(self) -> None:
        with self._lock:
            waiting, self._closed = self._closed, []
        for closed in waiting:
            if self._pay(closed.source):
                self._send(closed)
            else:
                message = f"{closed.profile.rows} rows are not told of: the day's epsilon is spent"
                self._outbox.fault("privacy_budget_spent", message)

    def _send(self, closed: _Closed) -> None:
        """Seal a window that is paid for. Noise takes a while: nobody waits for it."""
        try:
            closed.profile.read_vitals(self._read())
            self._outbox.put(_window(closed, self._below))
        except Exception as error:
            self._failed(error)

    def _pay(self, source: Source) -> bool:
        privacy = source.privacy
        if not privacy.epsilon_milli:
            return True
        return self._accounts.pay(self._clock(), privacy.epsilon_milli, privacy.daily_milli)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._outbox.fault("profiling_failed", f"requests are not counted: {type(error).__name__}: {error}")


def read_source(folder: Path, manifest: Manifest) -> Source:
    """What is needed to count requests of the package in `folder`. Raises HostileInput, or OSError."""
    return Source(manifest, decode_schema((folder / manifest.file(Role.REFERENCE).name).read_bytes()))


def _window(closed: _Closed, below: Callable[[int], int]) -> ProfileWindow:
    manifest, privacy = closed.source.manifest, closed.source.privacy
    return ProfileWindow(
        id=closed.id,
        model=manifest.model,
        version=manifest.version,
        counter=manifest.counter,
        schema_sha256=closed.source.schema.sha256,
        start=closed.start,
        end=closed.end,
        rows=closed.profile.rows,
        payload=closed.profile.protected(privacy, below).to_bytes(),
        epsilon_milli=privacy.epsilon_milli,
        noised=1 if privacy.epsilon_milli else 0,
        min_category_rows=privacy.min_category_rows,
        folded=1 if privacy.min_category_rows else 0,
    )
