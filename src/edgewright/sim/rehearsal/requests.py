"""What rehearsed devices are asked: requests, and how many of them fail, as profiles would tell the hub."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator

import sqlalchemy as sa

from edgewright.agent.states import active_slot
from edgewright.contract.api import Badness, RolloutRecord
from edgewright.hub.db import Database
from edgewright.hub.observe import table
from edgewright.hub.observe.behaviour import SPAN_S, span_of
from edgewright.hub.rehearsals.question import Facts
from edgewright.sim.rehearsal.device import Device
from edgewright.sim.world.agenda import Agenda

BEFORE_SPANS = 8
MOST_DEVICES = 1000  # of which a gate looks at requests
SPREAD = 0.3  # how far devices differ in their share of failures, in standard deviations of its logarithm
DOUBLED = 2.0


class Requests:
    """Notes in the hub what devices have answered, every quarter of an hour, as it keeps it."""

    def __init__(
        self,
        db: Database,
        agenda: Agenda,
        facts: Facts,
        devices: Collection[Device],
        badness: Badness | None,
        chance: random.Random,
    ) -> None:
        self._db = db
        self._agenda = agenda
        self._chance = chance
        self._rows = max(1, round(facts.requests_h * SPAN_S / 3600.0))
        self._badness = badness
        self._devices = sorted(devices, key=lambda device: device.fact.id)[:MOST_DEVICES]
        shares = [facts.failed_share * math.exp(chance.gauss(0.0, SPREAD)) for _ in self._devices]
        self._failed = dict(zip((device.fact.id for device in self._devices), shares, strict=True))

    def follow(self, rollout: RolloutRecord) -> None:
        """Begin: with what the version before has answered so far, and go on as long as the play."""
        self._model, self._counter = rollout.model, rollout.counter
        self._tell_past()
        self._agenda.every(SPAN_S, self._tell)

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
        is_doubled = self._badness is Badness.ERRORS and active.counter == self._counter
        failed = self._draw(self._failed[device.fact.id] * (DOUBLED if is_doubled else 1.0))
        key = {"model": self._model, "device": device.fact.id, "span": span, "version": active.version}
        yield {**key, "rows": self._rows, "failed": failed, "unsure": 0, "scored": 0, "scores": 0.0}

    def _keep(self, rows: list[dict[str, object]]) -> None:
        if rows:
            with self._db.write() as connection:
                connection.execute(sa.insert(table.behaviour), rows)

    def _draw(self, share: float) -> int:
        """How many of a quarter of an hour's requests fail."""
        return sum(self._chance.random() < share for _ in range(self._rows))
