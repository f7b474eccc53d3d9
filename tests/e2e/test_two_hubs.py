"""Two hubs on one PostgreSQL and one folder share the work, and either goes on where a killed one was."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from edgewright.client.credentials import credentials_path
from edgewright.contract.api import RolloutState
from edgewright.contract.errors import EdgewrightError
from edgewright.hub.db import Database
from edgewright.hub.events import event_table
from scenes.balancer import Balancer
from scenes.desk import Desk, until
from scenes.publishing import publish, register

pytestmark = pytest.mark.e2e

DEVICES = 4
KILLS = 4
POLL_S = 1.0
SOAK = "8s"  # of each wave: the rollout outlasts several kills
PATIENCE_S = 180.0


class Pair:
    """Two hubs, and a desk that knows them by their balancer's address alone."""

    def __init__(self, home: Path, database: str) -> None:
        self.database = database
        self.hubs = [Desk(home, database), Desk(home, database)]
        self.balancer = Balancer(lambda: [urlsplit(hub.url).port or 0 for hub in self.hubs if hub.facts])
        self.desk = Desk(home, database, facts={"hub": self.balancer.url})

    def start(self) -> None:
        for hub in self.hubs:
            hub.start_hub()
        logins = credentials_path({"XDG_CONFIG_HOME": str(self.desk.home / "config")})
        logins.write_text(logins.read_text().replace(self.hubs[0].url, self.balancer.url))

    def kill(self, number: int) -> None:
        self.hubs[number].kill_hub()

    def restart(self, number: int) -> None:
        self.hubs[number].start_hub()

    def close(self) -> None:
        for desk in (self.desk, *self.hubs):
            desk.close()
        self.balancer.close()


@pytest.fixture
def pair(tmp_path, shared_database) -> Iterator[Pair]:
    pair = Pair(tmp_path, shared_database)
    try:
        pair.start()
        yield pair
    finally:
        pair.close()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rollout_ends_once_although_its_hubs_are_killed_in_turn(pair, seed):
    chance = random.Random(seed)
    release = publish(pair.desk, register(pair.desk, "digits"))
    enrol_devices(pair.desk)
    words = ["--group", "all", "--waves", "1,2,3,4", "--shadow-requests", "0", "--soak", SOAK]
    id = pair.desk.done("rollout", "start", release, *words)["id"]

    kills = 0
    while kills < KILLS and state_of(pair.desk, id) is not RolloutState.DONE:
        number = chance.randrange(2)
        pause(chance.uniform(0.2, 3.0))
        pair.kill(number)
        kills += 1
        pause(chance.uniform(0.0, 6.0))
        pair.restart(number)
    until(lambda: state_of(pair.desk, id) is RolloutState.DONE, "the rollout is done", PATIENCE_S)

    assert kills >= 2
    check_done_once(pair, id)


def test_a_rollout_goes_on_although_the_database_crashes_in_the_middle(pair, postgresql):
    release = publish(pair.desk, register(pair.desk, "digits"))
    enrol_devices(pair.desk)
    words = ["--group", "all", "--waves", "1,2,3,4", "--shadow-requests", "0"]
    id = pair.desk.done("rollout", "start", release, *words)["id"]

    for _ in range(2):
        pause(2.0)
        postgresql.restart()
    until(lambda: state_of(pair.desk, id) is RolloutState.DONE, "the rollout is done", PATIENCE_S)

    check_done_once(pair, id)
    assert [hub.hub.poll() for hub in pair.hubs] == [None, None]


def check_done_once(pair: Pair, id: str) -> None:
    """Every wave passed once, every device has the release, and each report was counted once."""
    with pair.desk.client() as hub:
        rollout, devices = hub.rollouts.get(id), hub.devices.list()
        actions = Counter(entry.action for entry in hub.audit.entries() if entry.subject == id)
    assert [(wave.size, wave.committed, wave.failed, wave.waiting) for wave in rollout.waves] == [(1, 1, 0, 0)] * 4
    assert {part.state for part in rollout.deployments} == {"committed"}
    assert [[state.counter for state in device.models] for device in devices] == [[1]] * DEVICES
    waves = {name: count for name, count in actions.items() if "wave" in name or name.endswith(("started", "done"))}
    assert waves == {"rollout.started": 1, "rollout.wave_started": 4, "rollout.wave_passed": 4, "rollout.done": 1}
    assert reports(pair.database) == {device.id: 1 for device in devices}
    assert pair.desk.run("audit", "verify").code == 0


def enrol_devices(desk: Desk) -> None:
    desk.done("group", "create", "all", "--selector", "all")
    for number, claim in enumerate(desk.done("device", "claim", "--count", str(DEVICES))["tokens"]):
        desk.agent(f"lane-{number}", claim, "--poll-s", str(POLL_S))
    until(lambda: len(desk.done("device", "ls")) == DEVICES, f"{DEVICES} devices are enrolled", PATIENCE_S)


def state_of(desk: Desk, id: str) -> RolloutState | None:
    """None where the balancer met a hub that had just been killed."""
    try:
        with desk.client() as hub:
            return hub.rollouts.get(id).state
    except EdgewrightError:
        return None


def reports(database: str) -> dict[str, int]:
    """How often a commit was counted, by device."""
    db = Database(database)
    with db.read() as connection:
        rows = connection.execute(sa.select(event_table.c.data).where(event_table.c.kind == "rollout.reported"))
        counted = Counter(row.data["device"] for row in rows)
    db.close()
    return dict(counted)


def pause(seconds: float) -> None:
    """Let the hubs work for so long, as a fault would."""
    Event().wait(seconds)
