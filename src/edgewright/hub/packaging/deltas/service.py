"""Deltas: planned for each device, made for the pairs that the fleet needs, and shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import DeltaRecord, DeltaState
from edgewright.contract.manifest import File
from edgewright.contract.order import Fetch
from edgewright.contract.report import Pace
from edgewright.hub.db import Database
from edgewright.hub.jobs import Jobs, RunContext
from edgewright.hub.packaging.deltas import records
from edgewright.hub.packaging.deltas.demand import Need, choose_pairs, like_files
from edgewright.hub.packaging.deltas.planning import Plan, plan_fetches
from edgewright.hub.packaging.deltas.records import DeltaRow
from edgewright.hub.packaging.deltas.stock import Stock
from edgewright.hub.registry import Blobs

KIND = "deltas"
PLANS_KEPT = 2048
PLANS_GOOD_S = 60.0  # another process of this hub may have made a delta
NO_TIME = "the run's time was spent on more valuable pairs"
NO_PLACE = "more devices have other bases of this file"


@dataclass(frozen=True)
class Limits:
    """What deltas may cost the hub. `run_cpu_s` is for all pairs of one run, `pair_cpu_s` for each."""

    disk_bytes: int = 20 * 1024**3
    run_cpu_s: float = 1800.0
    pair_cpu_s: float = 600.0
    max_bases: int = 8
    at_once: int = 1


class Deltas:
    """Packages are named by the digests of their manifests, files by their own."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        clock: Callable[[], float],
        jobs: Jobs,
        work_dir: Path,
        limits: Limits | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._jobs = jobs
        self._limits = limits or Limits()
        self._stock = Stock(db, blobs, clock, work_dir, self._limits.disk_bytes, self._limits.pair_cpu_s)
        self._kept_plan = lru_cache(PLANS_KEPT)(self._new_plan)
        jobs.define(KIND, self.run, at_once=self._limits.at_once)

    def plan(self, wanted: str, held: frozenset[str], pace: Pace, max_fetches: int) -> Plan:
        """How a device that holds the packages `held` gets the package `wanted`; see `planning.plan_fetches`."""
        moment = (self._stock.changes, int(self._clock() / PLANS_GOOD_S))
        return self._kept_plan(moment, wanted, held, pace, max_fetches)

    def note_used(self, fetches: tuple[Fetch, ...]) -> None:
        """Note that an order names these deltas, so that they stay; cheap where that is known."""
        self._stock.note_used([fetch.sha256 for fetch in fetches])

    def is_foreseen(self, base: str, wanted: str) -> bool:
        """Whether deltas from the package `base` to `wanted` were asked for before, or can never be made."""
        with self._db.read() as connection:
            return records.is_needed(connection, base, wanted) or not records.releases_of(connection, [base])

    def start(
        self, connection: sa.Connection, release: str, needs: Mapping[tuple[str, str], int], *, id: str, why: str
    ) -> str:
        """Queue a run, in this transaction, that makes what devices need; returns its id. Safe to repeat by `id`.

        `needs` counts devices by the package that they run and the one that they shall get. A device may say that it
        runs anything: packages that are not this hub's count for nothing.
        """
        known = records.releases_of(connection, [base for base, _ in needs])
        asked = [
            Need(base, wanted, devices)
            for (base, wanted), devices in sorted(needs.items())
            if base in known and base != wanted
        ]
        records.note_needs(connection, asked)
        args = {"needs": [[need.base_manifest, need.result_manifest, need.devices] for need in asked]}
        return self._jobs.start(connection, KIND, release, args, id=id, why=why)

    def retry(self, model: str, counter: int, who: str) -> str:
        """Forget what failed or did not pay, and queue a run that tries it again; its id."""
        with self._db.write() as connection:
            wanted = records.needs(connection, records.packages_of(connection, model, counter))
            files = records.files(connection, {need.result_manifest for need in wanted})
            records.forget(connection, {file.sha256 for package in files.values() for file in package})
            needs = {(need.base_manifest, need.result_manifest): need.devices for need in wanted}
            return self.start(connection, f"{model}/{counter}", needs, id="", why=f"{who} wants deltas tried again")

    def run(self, context: RunContext) -> dict[str, Any]:
        """Body of a run: try pair after pair, the most valuable first, until the run's time is spent."""
        pairs = context.step("look", self._look, context.args["needs"])
        counted: dict[str, int] = {}
        spent_s = 0.0
        for number, pair in enumerate(pairs):
            context.report(f"delta {number + 1} of {len(pairs)}", number / len(pairs))
            is_late = spent_s >= self._limits.run_cpu_s
            state, cpu_s = context.step(f"pair-{number}", self._skip if is_late else self._make, pair)
            spent_s += cpu_s
            counted[state] = counted.get(state, 0) + 1
        return {"pairs": len(pairs), "cpu_s": round(spent_s, 3), **counted}

    def of_release(self, model: str, counter: int, running: Mapping[str, int]) -> list[DeltaRecord]:
        """Every pair that devices needed for a release; `running` counts devices by the package that they run now."""
        with self._db.read() as connection:
            needs = records.needs(connection, records.packages_of(connection, model, counter))
            packages = {name for need in needs for name in need.packages}
            files, releases = records.files(connection, packages), records.releases_of(connection, packages)
            rows = records.rows(connection, {file.sha256 for name in packages for file in files.get(name, ())})
        chosen = {pair.key for pair in choose_pairs(needs, files, self._limits.max_bases)}
        found = []
        for need in sorted(needs, key=lambda need: (-running.get(need.base_manifest, 0), releases[need.base_manifest])):
            for base, result in like_files(files[need.base_manifest], files[need.result_manifest]):
                row = rows.get((base.sha256, result.sha256)) or _untried(base, result, chosen)
                release, target = releases[need.base_manifest][0], releases[need.result_manifest][1]
                found.append(_record(row, result, release, target, running.get(need.base_manifest, 0)))
        return found

    def _new_plan(
        self, _moment: tuple[int, int], wanted: str, held: frozenset[str], pace: Pace, max_fetches: int
    ) -> Plan:
        with self._db.read() as connection:
            packages = records.files(connection, {wanted, *held})
            files = packages.get(wanted, [])
            there = {file.sha256 for package in held for file in packages.get(package, ())}
            known = records.leading_to(connection, {file.sha256 for file in files} - there, there)
        return plan_fetches(files, there, known, pace, max_fetches)

    def _look(self, needs: list[list[Any]]) -> list[dict[str, Any]]:
        """The pairs to try for these needs: what was tried already is not, unless it only found no place or time."""
        asked = [Need(*need) for need in needs]
        with self._db.read() as connection:
            files = records.files(connection, {name for need in asked for name in need.packages})
            pairs = choose_pairs(asked, files, self._limits.max_bases)
            known = records.rows(connection, {pair.result_sha256 for pair in pairs})
        again = (DeltaState.EVICTED, DeltaState.SKIPPED)
        return [asdict(pair) for pair in pairs if pair.key not in known or known[pair.key].state in again]

    def _make(self, pair: dict[str, Any]) -> tuple[str, float]:
        row = self._stock.make(pair["base_sha256"], pair["result_sha256"])
        return row.state, row.cpu_s

    def _skip(self, pair: dict[str, Any]) -> tuple[str, float]:
        facts = {name: pair[name] for name in ("base_sha256", "result_sha256", "result_bytes")}
        state = DeltaState.SKIPPED
        self._stock.keep(DeltaRow(**facts, state=state, reason=NO_TIME, created_at=self._clock()))
        return state, 0.0


def _untried(base: File, result: File, chosen: Collection[tuple[str, str]]) -> DeltaRow:
    """A pair that was not tried: it waits for its worker, or found no place among those to be tried."""
    is_chosen = (base.sha256, result.sha256) in chosen
    return DeltaRow(
        base_sha256=base.sha256,
        result_sha256=result.sha256,
        state=DeltaState.QUEUED if is_chosen else DeltaState.SKIPPED,
        reason="" if is_chosen else NO_PLACE,
    )


def _record(row: DeltaRow, result: File, base: str, target: str, devices: int) -> DeltaRecord:
    return DeltaRecord(
        base=base,
        target=target,
        file=result.name,
        base_sha256=row.base_sha256,
        result_sha256=row.result_sha256,
        devices=devices,
        state=row.state,
        reason=row.reason,
        size_bytes=row.size_bytes,
        full_bytes=result.size_bytes,
        cpu_s=row.cpu_s,
        used_at=row.used_at,
    )
