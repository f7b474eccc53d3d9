"""Doors to rehearsals: rollouts played on a simulated copy of this fleet."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import RehearsalDraft, RehearsalRecord, RunRecord
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, TheHub


@post("/rollouts/rehearsals", sync_to_thread=True)
def start(data: JSONBody[RehearsalDraft], hub: TheHub, principal: Caller) -> RunRecord:
    """Play a rollout, as planned and with a bad release."""
    require(principal, Permission.ROLL_OUT)
    return hub.rehearsals.start(principal, data)


@get("/rollouts/rehearsals/{rehearsal_id:str}", sync_to_thread=True)
def rehearsal(rehearsal_id: FromPath[str], hub: TheHub, principal: Caller) -> RehearsalRecord:
    """What a rehearsal found."""
    require(principal, Permission.READ)
    return hub.rehearsals.rehearsal(rehearsal_id)


ROUTES = [start, rehearsal]
