"""What bytes cost this device, learned from what it does and kept over restarts: DIR/pace.json.

Losing the file loses nothing but time: the device learns again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract.report import Pace

NAME = "pace.json"
KEEP = 0.7  # how much of what was learned before stays with each new download or delta
MIN_DOWNLOAD_BYTES = 64 * 1024  # less comes in one go and tells nothing of the line
MIN_RESULT_BYTES = 256 * 1024  # below, the start of the process is what takes time
MIN_ELAPSED_S = 1e-4


class _Sum(msgspec.Struct, frozen=True):
    """Amounts and seconds of the past, the older the less: their quotient is the rate."""

    amount: float = 0.0
    elapsed_s: float = 0.0

    def and_then(self, amount: float, elapsed_s: float) -> _Sum:
        return _Sum(KEEP * self.amount + amount, KEEP * self.elapsed_s + max(elapsed_s, MIN_ELAPSED_S))

    @property
    def rate(self) -> float:
        return _rounded(self.amount / self.elapsed_s) if self.elapsed_s > 0 else 0.0


class _Learned(msgspec.Struct, frozen=True):
    download: _Sum = _Sum()
    requests: _Sum = _Sum()  # the amount is their number
    apply: _Sum = _Sum()


class PaceMeter:
    """Learns from downloads and deltas. `is_metered` comes from the settings: no measurement tells it."""

    def __init__(self, root: Path, *, is_metered: bool = False) -> None:
        self._path = root / NAME
        self._is_metered = is_metered
        self._learned = _load(self._path)

    def downloaded(self, size_bytes: int, *, request_s: float, body_s: float) -> None:
        """One answer: the seconds from asking to its first byte, and from there on to where it ended or broke off."""
        download = self._learned.download
        if size_bytes >= MIN_DOWNLOAD_BYTES:
            download = download.and_then(size_bytes, body_s)
        requests = self._learned.requests.and_then(1.0, request_s)
        self._learn(msgspec.structs.replace(self._learned, download=download, requests=requests))

    def applied(self, result_bytes: int, elapsed_s: float) -> None:
        """One delta that was applied: the length of what it made, and the seconds that it took."""
        if result_bytes >= MIN_RESULT_BYTES:
            apply = self._learned.apply.and_then(result_bytes, elapsed_s)
            self._learn(msgspec.structs.replace(self._learned, apply=apply))

    @property
    def pace(self) -> Pace:
        """What a check-in reports, to two significant digits: noise shall not change the hub's orders."""
        requests_s = self._learned.requests.rate
        return Pace(
            download_bytes_s=self._learned.download.rate,
            request_s=_rounded(1 / requests_s) if requests_s else 0.0,
            apply_bytes_s=self._learned.apply.rate,
            is_metered=self._is_metered,
        )

    def _learn(self, learned: _Learned) -> None:
        before, self._learned = self.pace, learned
        if self.pace != before:
            durable.replace(self._path, msgspec.json.encode(learned))


def _load(path: Path) -> _Learned:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Learned)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return _Learned()


def _rounded(number: float) -> float:
    return float(f"{number:.2g}")
