"""Lies: a device that reports in others' names, and a director's key in wrong hands."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from edgewright.contract.order import Install, Order
from edgewright.contract.report import Batch, CheckIn, InstallReport, Outcome
from edgewright.hub.rollout import table
from edgewright.sim.campaign.scenario import FORBIDDEN
from edgewright.sim.device.agent import SimAgent
from edgewright.sim.device.air import Tamper
from edgewright.sim.world.doors import Said
from edgewright.sim.world.hub import SimHub
from edgewright.sim.world.releases import TARGET


def lie(liar: SimAgent, agents: Sequence[SimAgent], hub: SimHub, chance: random.Random) -> None:
    """Report another device's install as failed, or committed, over the liar's own session."""
    victims = [agent.device for agent in agents if agent.device and agent is not liar]
    link = liar.link
    if link is None or not victims or not hub.is_up:
        return
    query = sa.select(table.deployment).where(table.deployment.c.device == chance.choice(victims))
    with hub.hub.db.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        return
    row = chance.choice(rows)
    report = InstallReport(
        id=f"{row.id}:{row.counter}:failed",
        at=0.0,
        deployment=row.id,
        model=row.model,
        counter=row.counter,
        outcome=chance.choice(tuple(Outcome)),
        step="trial",
        reason="a lie",
        received_bytes=-5,
    )
    link.send(Batch(records=(report, report)))


def forger(hub: SimHub, agent: SimAgent) -> Tamper:
    """Somebody with the director's key and the hub's place on the line; release keys they have none."""

    def forge(path: str, body: bytes, said: Said) -> Said:
        """Put an order for what nobody has approved in the place of the answer to a check-in."""
        if not path.endswith("/checkin") or said.status not in (200, 304):
            return said
        asked = msgspec.json.decode(body, type=CheckIn)
        order = Order(
            device=agent.device,
            nonce=asked.nonce,
            issued_at=hub.hub.clock(),
            ttl_s=hub.hub.settings.order_ttl_s,
            installs=(_forbidden(hub),),
        )
        return Said(200, said.headers, hub.hub.packaging.sign_order(order))

    return forge


def _forbidden(hub: SimHub) -> Install:
    releases = hub.hub.packaging.releases(FORBIDDEN.model)
    release = next(one for one in releases if one.version == FORBIDDEN.version)
    return Install(
        deployment="forged",
        model=FORBIDDEN.model,
        version=FORBIDDEN.version,
        counter=release.counter,
        target_path=f"{FORBIDDEN.model}/{release.counter}/{TARGET}.json",
        manifest_sha256=release.packages[0].manifest_sha256,
        fetches=(),
    )
