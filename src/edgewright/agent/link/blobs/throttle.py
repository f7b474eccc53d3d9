"""The rate at which downloads may take bytes off the line."""

from __future__ import annotations

from collections.abc import Callable

CHUNK_BYTES = 64 * 1024


class Throttle:
    """A token bucket: `take` waits until so many bytes may pass. A rate of 0 lets everything pass."""

    def __init__(self, rate_bytes_s: float, monotonic: Callable[[], float], wait: Callable[[float], bool]) -> None:
        self.chunk_bytes = CHUNK_BYTES if not rate_bytes_s else int(max(1, min(CHUNK_BYTES, rate_bytes_s)))
        self._rate_bytes_s = rate_bytes_s
        self._monotonic = monotonic
        self._wait = wait
        self._free_bytes = 0.0
        self._at = monotonic()

    def take(self, size_bytes: int) -> None:
        """Let `size_bytes` pass, after a while; at once if the wait is broken off because the agent shall stop."""
        if not self._rate_bytes_s:
            return
        now = self._monotonic()
        earned = (now - self._at) * self._rate_bytes_s
        self._free_bytes, self._at = min(self._rate_bytes_s, self._free_bytes + earned) - size_bytes, now
        if self._free_bytes < 0:
            self._wait(-self._free_bytes / self._rate_bytes_s)
