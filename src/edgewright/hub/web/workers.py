"""Doors to machines that run tasks: people add and drain them, they ask for work; and to the tasks themselves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from edgewright.contract.api.workers import TaskRecord, WorkAsk, WorkerDraft, WorkerRecord, WorkerReply, WorkReply
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub
from edgewright.hub.web.ringing import Bell, hanging_up

WorkBell = NamedDependency[Bell]
LOOK_S = 5.0
"""How often a request that waits looks for itself: for leases that end, which nobody tells of."""


@post("/workers", sync_to_thread=True)
def add_worker(data: JSONBody[WorkerDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> WorkerReply:
    """Let a machine run tasks; its token is shown once."""
    require(principal, Permission.MANAGE_WORKERS)
    return hub.executors.workers.add(principal, data, dry_run=dry_run)


@get("/workers", sync_to_thread=True)
def workers(hub: TheHub, principal: Caller) -> list[WorkerRecord]:
    """Machines that may run tasks, by name."""
    require(principal, Permission.READ)
    return hub.executors.workers.workers()


@get("/workers/{name:str}", sync_to_thread=True)
def worker(name: FromPath[str], hub: TheHub, principal: Caller) -> WorkerRecord:
    """One of them."""
    require(principal, Permission.READ)
    return hub.executors.workers.worker(name)


@post("/workers/{name:str}/drain", status_code=200, sync_to_thread=True)
def drain_worker(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> WorkerRecord:
    """Have a worker end once it has done what it has."""
    require(principal, Permission.MANAGE_WORKERS)
    return hub.executors.workers.drain(principal, name, dry_run=dry_run)


@delete("/workers/{name:str}", status_code=200, sync_to_thread=True)
def remove_worker(name: FromPath[str], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> WorkerRecord:
    """Take a worker's token back; what it had waits again."""
    require(principal, Permission.MANAGE_WORKERS)
    return hub.executors.workers.remove(principal, name, dry_run=dry_run)


@post("/work", status_code=200)
async def work(
    data: JSONBody[WorkAsk], hub: TheHub, principal: Caller, work_bell: WorkBell, request: Request[Any, Any, Any]
) -> WorkReply:
    """A worker asks for a task, and waits up to `wait_s` for one; one that has hung up gets none."""
    require(principal, Permission.RUN_TASKS)
    held = hub.executors.workers
    await asyncio.to_thread(held.greet, principal, data)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + data.wait_s
    with work_bell.listening() as rung, hanging_up(request.receive, rung) as has_gone:
        while not has_gone():
            rung.clear()
            reply = await asyncio.to_thread(held.look, principal)
            left_s = ends_at - loop.time()
            if reply.lease is not None or reply.is_draining or left_s <= 0:
                return reply
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), min(left_s, LOOK_S))
    return WorkReply()


@get("/tasks", sync_to_thread=True)
def tasks(hub: TheHub, principal: Caller) -> list[TaskRecord]:
    """Tasks that are done elsewhere, newest first, at most 200."""
    require(principal, Permission.READ)
    return hub.executors.tasks.tasks()


@get("/tasks/{id:str}", sync_to_thread=True)
def task(id: FromPath[str], hub: TheHub, principal: Caller) -> TaskRecord:
    """One of them."""
    require(principal, Permission.READ)
    return hub.executors.tasks.get(id)


ROUTES = [add_worker, workers, worker, drain_worker, remove_worker, work, tasks, task]
