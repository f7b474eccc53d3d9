"""A hub's own observation of one stream: a database, all detectors, alerts that a person resolves as they come."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from securesystemslib.signer import CryptoSigner

from detection.watching import HOUR_S
from detection.worlds import World
from edgewright.contract.api import AlertEdit, Role, Verdict
from edgewright.contract.profile import Profile, encode_schema
from edgewright.contract.report import ProfileWindow
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.observe import Alerts, Observe
from edgewright.hub.observe.alerts import Act, Wanted
from edgewright.hub.observe.detectors import Baseline, detectors
from edgewright.hub.observe.windows import Lenses

MODEL, VERSION, DEVICE = "bench", 1, "d-1"
PERSON = Principal(name="bench", roles=(Role.OPERATOR,))
BEGINS = math.ceil(1_800_000_000 / (168 * HOUR_S)) * 168 * HOUR_S


class Plant:
    """One device whose windows of an hour a hub takes in and looks at."""

    def __init__(self, folder: Path, world: World, baseline: Baseline) -> None:
        self._now = BEGINS
        self._world, self._schema = world, baseline.schema
        self._db = Database(f"sqlite:///{folder / 'hub.sqlite'}")
        self._db.migrate()
        events = Events(self._db, self._clock)
        audit = Audit(self._db, self._clock, CryptoSigner.generate_ed25519())
        self._alerts = Alerts(self._db, events, audit, self._clock)
        lenses = Lenses(lambda model, version: encode_schema(self._schema), lambda schema: baseline.hold_out)
        self._observe = Observe(
            self._db, events, self._clock, self._alerts, lenses, detectors(), cohorts_of=_no_cohorts
        )

    def hour(self, hour: int, rows: np.ndarray) -> str:
        """Let an hour pass in which the device saw `rows`; the detector of the alert that it raised, '' for none."""
        self._now = BEGINS + (hour + 1) * HOUR_S
        seen = Profile(self._schema)
        if len(rows):
            seen.update({"x": rows}, {"scores": self._world.scores(rows)})
        window = ProfileWindow(
            id=f"life:{hour + 1}",
            model=MODEL,
            version=VERSION,
            counter=1,
            schema_sha256=self._schema.sha256,
            start=self._now - HOUR_S,
            end=self._now,
            rows=seen.rows,
            payload=seen.to_bytes(),
        )
        with self._db.write() as connection:
            self._observe.ingest(connection, DEVICE, [window])
        self._observe.detect(MODEL, VERSION)
        live = [one for one in self._alerts.chosen(Wanted(model=MODEL)) if one.state.is_live]
        for one in live:
            self._alerts.act(PERSON, one.id, Act.RESOLVE, AlertEdit(verdict=Verdict.FALSE_ALARM))
        return "+".join(sorted(one.detector for one in live))

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def _clock(self) -> float:
        return self._now


@contextmanager
def observed(world: World, baseline: Baseline) -> Iterator[Plant]:
    """A plant of that world; its database is in memory where the machine has such a place."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        plant = Plant(Path(folder), world, baseline)
        try:
            yield plant
        finally:
            plant.close()


def _no_cohorts(devices: object) -> dict[str, list[str]]:
    return {}
