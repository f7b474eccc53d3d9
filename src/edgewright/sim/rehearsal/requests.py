"""What rehearsed devices are asked: requests, and how many of them fail, as profiles would tell the hub."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from edgewright.agent.states import active_slot
from edgewright.contract.api import Badness, RolloutRecord
from edgewright.hub.db import Database
from edgewright.hub.observe import table
from edgewright.hub.observe.behaviour import SPAN_S, span_of
from edgewright.hub.rehearsals.question import Facts
from edgewright.hub.rollout import table as rollouts
from edgewright.sim.rehearsal.device import Device
from edgewright.sim.world.agenda import Agenda

BEFORE_SPANS = 8
MOST_DEVICES = 1000  # that a gate reads as canaries, and as controls
SPREAD = 0.3  # how far devices differ in their share of failures, in standard deviations of its logarithm
DOUBLED = 2.0
LESS_SURE = 2.0 / 3.0  # of its scores
OFTEN_UNSURE = 3.0


class Requests:
    """Notes in the hub what devices have answered, every quarter of an hour, as it keeps it."""

    def __init__(
        self,
        db: Database,
        agenda: Agenda,
        facts: Facts,
        devices: Mapping[str, Device],
        badness: Badness | None,
        chance: random.Random,
    ) -> None:
        self._db = db
        self._agenda = agenda
        self._chance = chance
        self._rows = max(1, round(facts.requests_h * SPAN_S / 3600.0))
        self._badness = badness
        self._facts = facts
        self._everyone = devices
        self._devices: list[Device] = []

    def follow(self, rollout: RolloutRecord) -> None:
        """Begin: with what the version before has answered so far, and go on as long as the play."""
        self._model, self._counter = rollout.model, rollout.counter
        self._devices = [self._everyone[device] for device in watched(self._waves(rollout.id), MOST_DEVICES)]
        facts = self._facts
        self._failed = {
            device.fact.id: facts.failed_share * math.exp(self._chance.gauss(0.0, SPREAD)) for device in self._devices
        }
        self._tell_past()
        self._agenda.every(SPAN_S, self._tell)

    def _waves(self, rollout: str) -> Sequence[tuple[str, int]]:
        of = rollouts.deployment.c
        query = sa.select(of.device, of.wave).where(of.rollout == rollout).order_by(of.number)
        with self._db.read() as connection:
            return [(row.device, row.wave) for row in connection.execute(query)]

    def _tell_past(self) -> None:
        span = span_of(self._agenda.now)
        rows = [
            row for device in self._devices for back in range(BEFORE_SPANS) for row in self._row(device, span - back)
        ]
        self._keep(rows)

    def _tell(self) -> None:
        now = self._agenda.now
        span = span_of(now)
        self._keep([row for device in self._devices if device.is_on(now) for row in self._row(device, span)])

    def _row(self, device: Device, span: int) -> Iterator[dict[str, object]]:
        """What one device has answered in a quarter of an hour, by the version that it runs."""
        record = device.records.get(self._model)
        active = active_slot(record) if record else None
        if active is None:
            return
        bad = self._badness if active.counter == self._counter else None
        failed = self._draw(self._failed[device.fact.id] * (DOUBLED if bad is Badness.ERRORS else 1.0))
        key = {"model": self._model, "device": device.fact.id, "span": span, "version": active.version}
        yield {**key, "rows": self._rows, "failed": failed, **self._scores(self._rows - failed, bad is Badness.UNSURE)}

    def _scores(self, answered: int, is_unsure: bool) -> dict[str, object]:
        """What the answers score, where the fleet's own do."""
        facts = self._facts
        if facts.score is None:
            return {"unsure": 0, "scored": 0, "scores": 0.0}
        unsure_share = min(1.0, facts.unsure_share * (OFTEN_UNSURE if is_unsure else 1.0))
        unsure = sum(self._chance.random() < unsure_share for _ in range(answered))
        return {
            "unsure": unsure,
            "scored": answered,
            "scores": answered * facts.score * (LESS_SURE if is_unsure else 1.0),
        }

    def _keep(self, rows: list[dict[str, object]]) -> None:
        if rows:
            with self._db.write() as connection:
                connection.execute(sa.insert(table.behaviour), rows)

    def _draw(self, share: float) -> int:
        """How many of a quarter of an hour's requests fail."""
        return sum(self._chance.random() < share for _ in range(self._rows))


def watched(wave_of: Sequence[tuple[str, int]], most: int) -> list[str]:
    """Whose requests a gate reads: `most` devices of the first waves as canaries, and `most` of the last as controls.

    `wave_of` has devices with their waves, 0 for none, in the order in which the rollout has them.
    """
    planned = [(device, wave) for device, wave in wave_of if wave > 0]
    first, last = sorted(planned, key=lambda one: one[1]), sorted(planned, key=lambda one: -one[1])
    return sorted({device for device, _ in (*first[:most], *last[:most])})
