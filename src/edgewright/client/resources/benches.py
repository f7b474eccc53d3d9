"""Benches: what enrolled devices measure of signed releases."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.client.transport import Transport
from edgewright.client.watching import Pace, changes
from edgewright.contract.api import BenchDraft, BenchRecord


class Benches:
    """Packages measured by real devices, without being installed."""

    def __init__(self, hub: Transport, pace: Pace) -> None:
        self._hub = hub
        self._pace = pace

    def start(self, draft: BenchDraft, *, dry_run: bool = False) -> BenchRecord:
        """Have packages measured. A dry run says by whom, and asks nobody."""
        return self._hub.post("benches", body=draft, into=BenchRecord, dry_run=dry_run)

    def list(self) -> tuple[BenchRecord, ...]:
        """All benches, newest first."""
        return self._hub.get("benches", into=tuple[BenchRecord, ...])

    def get(self, id: str) -> BenchRecord:
        """One bench with its measurements."""
        return self._hub.get("benches", id, into=BenchRecord)

    def watch(self, id: str, *, timeout_s: float | None = None) -> Iterator[BenchRecord]:
        """Yield the bench whenever it has changed, until no measurement is open."""
        return changes(lambda: self.get(id), lambda bench: bench.is_over, pace=self._pace, timeout_s=timeout_s)

    def cancel(self, id: str, *, dry_run: bool = False) -> BenchRecord:
        """Ask no further device. A dry run returns the bench as it is."""
        return self._hub.post("benches", id, "cancel", body={}, into=BenchRecord, dry_run=dry_run)
