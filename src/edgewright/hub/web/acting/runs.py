"""Doors to the pages of runs: the newest, and one with its steps, what was reused, and its log."""

from __future__ import annotations

from litestar import MediaType, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from edgewright.contract.api import RunPage, RunRecord, StepRecord, StepState
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.acting.run_view import Asked, RunsView, run_view, runs_view
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import PAGE_SIZE, page
from edgewright.hub.web.rendering import render

MOST = 200
"""No older runs are listed, as by the API: who looks for others names a kind or a subject."""


def asked_for(
    kind: FromQuery[str] = "",
    subject: FromQuery[str] = "",
    skip: FromQuery[int] = 0,
) -> Asked:
    """What the address asks for."""
    return Asked(kind.strip(), subject.strip(), min(max(skip, 0), MOST - PAGE_SIZE))


TheAsked = NamedDependency[Asked]
FILTER = {"asked": Provide(asked_for, sync_to_thread=False)}


@get("/runs", media_type=MediaType.HTML, sync_to_thread=True, dependencies=FILTER)
def runs_page(hub: TheHub, principal: Caller, asked: TheAsked) -> str:
    """Runs, the newest first."""
    require(principal, Permission.READ)
    view = _view(hub, asked)
    return page("runs.html", principal, "/runs", view.data, view=view)


@get("/runs/part", media_type=MediaType.HTML, sync_to_thread=True, dependencies=FILTER)
def runs_part(hub: TheHub, principal: Caller, asked: TheAsked) -> str:
    """The list, as it is now."""
    require(principal, Permission.READ)
    return render("partials/run_list.html", view=_view(hub, asked))


@get("/runs.json", sync_to_thread=True, dependencies=FILTER)
def runs_data(hub: TheHub, principal: Caller, asked: TheAsked) -> list[RunRecord]:
    """The list's JSON twin."""
    require(principal, Permission.READ)
    return _runs(hub, asked)[:PAGE_SIZE]


@get("/runs/{run_id:str}", media_type=MediaType.HTML, sync_to_thread=True)
def run_page(run_id: FromPath[str], hub: TheHub, principal: Caller) -> str:
    """One run."""
    require(principal, Permission.READ)
    view = run_view(_run(hub, run_id), hub.clock())
    return page("run.html", principal, "/runs", f"{view.path}/run.json", view=view)


@get("/runs/{run_id:str}/part", media_type=MediaType.HTML, sync_to_thread=True)
def run_part(run_id: FromPath[str], hub: TheHub, principal: Caller) -> str:
    """One run, as it is now."""
    require(principal, Permission.READ)
    return render("partials/run.html", view=run_view(_run(hub, run_id), hub.clock()))


@get("/runs/{run_id:str}/run.json", sync_to_thread=True)
def run_data(run_id: FromPath[str], hub: TheHub, principal: Caller) -> RunPage:
    """The page's JSON twin."""
    require(principal, Permission.READ)
    return _run(hub, run_id)


def _view(hub: Hub, asked: Asked) -> RunsView:
    found = _runs(hub, asked)
    return runs_view(asked, found[:PAGE_SIZE], len(found) > PAGE_SIZE, PAGE_SIZE, hub.clock())


def _runs(hub: Hub, asked: Asked) -> list[RunRecord]:
    """One page of them, and one more where there are more."""
    limit = min(asked.skip + PAGE_SIZE + 1, MOST)
    return hub.jobs.runs(asked.kind, asked.subject, limit)[asked.skip :]


def _run(hub: Hub, id: str) -> RunPage:
    record, steps = hub.jobs.get(id), hub.pipelines.steps(id)
    last = _last_at_work(steps)
    return RunPage(run=record, steps=steps, child=hub.jobs.get(last.child) if last else None)


def _last_at_work(steps: tuple[StepRecord, ...]) -> StepRecord | None:
    """The step with a run of its own that goes on, or began last."""
    able = [one for one in steps if one.child and one.state is not StepState.REUSED]
    return max(able, key=lambda one: (one.state is StepState.RUNNING, one.started_at or 0.0), default=None)


HANDLERS = (runs_page, runs_part, runs_data, run_page, run_part, run_data)
