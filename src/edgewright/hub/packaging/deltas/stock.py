"""The deltas that are kept: made once, in a folder of their own, within a budget of disk; the longest unused leave."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import structlog

from edgewright.contract.api import DeltaState
from edgewright.contract.errors import NotFound
from edgewright.hub.db import Database, after_commit
from edgewright.hub.packaging.deltas import records
from edgewright.hub.packaging.deltas.making import Made, make_delta
from edgewright.hub.packaging.deltas.records import DeltaRow
from edgewright.hub.registry import Blobs

log = structlog.get_logger()

MAX_SHARE = 0.9  # of the file: what saves less is not kept
TOUCH_EVERY_S = 3600.0
IN_USE_S = 86_400.0  # a device that was told of a delta may still come for it


class Stock:
    """Pairs of files that were tried, by the digests of base and result. `work_dir` is for what is being made."""

    def __init__(
        self, db: Database, blobs: Blobs, clock: Callable[[], float], work_dir: Path, disk_bytes: int, pair_cpu_s: float
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._clock = clock
        self._work_dir = work_dir
        self._disk_bytes = disk_bytes
        self._pair_cpu_s = pair_cpu_s
        self._touched: dict[str, float] = {}
        self.changes = 0  # how often a delta came or went in this process

    def make(self, base_sha256: str, result_sha256: str) -> DeltaRow:
        """Try one pair and keep what became of it; a delta that is there already is not made again."""
        with self._db.read() as connection:
            row = records.rows(connection, [result_sha256]).get((base_sha256, result_sha256))
        if row is not None and row.state is DeltaState.MADE:
            return row
        return self.keep(self._try(base_sha256, result_sha256))

    def keep(self, row: DeltaRow) -> DeltaRow:
        """Keep what is known of a pair."""
        with self._db.write() as connection:
            records.keep(connection, row)
        self.changes += 1
        return row

    def note_used(self, blobs: Collection[str]) -> None:
        """Note that an order names these deltas, so that they stay; nothing is written where that is known."""
        now = self._clock()
        stale = [sha256 for sha256 in blobs if now - self._touched.get(sha256, -IN_USE_S) > TOUCH_EVERY_S]
        if stale:
            with self._db.write() as connection:
                records.touch(connection, stale, now)
            self._touched |= dict.fromkeys(stale, now)

    def _try(self, base_sha256: str, result_sha256: str) -> DeltaRow:
        self._work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="delta-", dir=self._work_dir) as folder:
            out = Path(folder, "delta")
            try:
                base, result = self._blobs.path(base_sha256), self._blobs.path(result_sha256)
                made, result_bytes = make_delta(base, result, out, self._pair_cpu_s), result.stat().st_size
            except NotFound as error:
                made, result_bytes = Made(0, 0.0, error.message), 0
            state, reason, sha256 = self._judge(made, result_bytes, out)
        return DeltaRow(
            base_sha256=base_sha256,
            result_sha256=result_sha256,
            state=state,
            reason=reason,
            sha256=sha256,
            size_bytes=made.size_bytes,
            result_bytes=result_bytes,
            cpu_s=made.cpu_s,
            created_at=self._clock(),
        )

    def _judge(self, made: Made, result_bytes: int, out: Path) -> tuple[DeltaState, str, str]:
        """What to do with what was made: its state, the reason, and the digest under which it is kept."""
        if made.why_not:
            log.warning("packaging.delta_failed", why=made.why_not)
            return DeltaState.FAILED, made.why_not, ""
        if made.size_bytes > MAX_SHARE * result_bytes:
            return DeltaState.USELESS, f"it has {made.size_bytes / max(1, result_bytes):.0%} of the file", ""
        if not self._make_room(made.size_bytes):
            return DeltaState.SKIPPED, f"the {self._disk_bytes} bytes for deltas are taken by some that are used", ""
        return DeltaState.MADE, "", self._blobs.put_file(out)[0]

    def _make_room(self, size_bytes: int) -> bool:
        """Let the longest unused deltas go until `size_bytes` fit; whether they do now."""
        with self._db.write() as connection:
            taken_bytes = records.kept_bytes(connection)
            for row in records.idlest(connection, self._clock() - IN_USE_S):
                if taken_bytes + size_bytes <= self._disk_bytes:
                    break
                if records.evict(connection, row, "others were used more"):
                    after_commit(connection, partial(self._blobs.delete, row.sha256))
                taken_bytes -= row.size_bytes
        return taken_bytes + size_bytes <= self._disk_bytes
