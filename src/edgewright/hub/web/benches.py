"""Doors to benches: what enrolled devices shall measure, and what they have measured."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import BenchDraft, BenchRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@post("/benches", sync_to_thread=True)
def start(data: JSONBody[BenchDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> BenchRecord:
    """Have packages measured by devices."""
    require(principal, Permission.ROLL_OUT)
    return hub.benches.start(principal, data, dry_run=dry_run)


@get("/benches", sync_to_thread=True)
def benches(hub: TheHub, principal: Caller) -> list[BenchRecord]:
    """All benches, newest first."""
    require(principal, Permission.READ)
    return hub.benches.benches()


@get("/benches/{bench_id:str}", sync_to_thread=True)
def bench(bench_id: FromPath[str], hub: TheHub, principal: Caller) -> BenchRecord:
    """One bench with its measurements."""
    require(principal, Permission.READ)
    return hub.benches.bench(bench_id)


@post("/benches/{bench_id:str}/cancel", status_code=200, sync_to_thread=True)
def cancel(bench_id: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> BenchRecord:
    """Ask no further device."""
    require(principal, Permission.ROLL_OUT)
    return hub.benches.cancel(principal, bench_id, dry_run=dry_run)


ROUTES = [start, benches, bench, cancel]
