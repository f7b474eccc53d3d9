"""Virtual time: deeds in their order, chance by name, and durable runs that go on where they were."""

from __future__ import annotations

import random

import pytest

from edgewright.contract.api import RunState
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.sim.world.agenda import Agenda, dice
from edgewright.sim.world.jobs import Store, VirtualJobs
from scenes.databases import new_database


def test_deeds_of_one_moment_are_done_as_they_were_put():
    agenda, done = Agenda(100.0), []
    agenda.at(105.0, lambda: done.append("b"))
    agenda.at(103.0, lambda: done.append("a"))
    agenda.at(105.0, lambda: done.append("c"))

    while agenda.step():
        pass

    assert done == ["a", "b", "c"]
    assert agenda.now == 105.0


def test_what_is_put_into_the_past_is_done_next_and_time_does_not_go_back():
    agenda, seen = Agenda(100.0), []

    agenda.at(50.0, lambda: seen.append(agenda.now))
    agenda.step()

    assert seen == [100.0]


def test_chance_is_alike_for_a_name_and_apart_for_others():
    assert dice(1, "air", 2).random() == dice(1, "air", 2).random()
    assert len({dice(1, "air", 2).random(), dice(1, "air", 3).random(), dice(2, "air", 2).random()}) == 3
    assert isinstance(dice(0), random.Random)


class World:
    """A hub's jobs in virtual time; `restart` is what a crash leaves."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.agenda = Agenda(1_000.0)
        self.store = Store()
        self.effects: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.events = Events(self.db, self.agenda.clock)
        self.jobs = VirtualJobs(self.db, self.events, self.agenda.clock, self.agenda, self.store, idle=("deltas",))
        self.jobs.define("wave", self.body, is_heavy=False)
        self.jobs.define("deltas", self.body)
        self.jobs.launch(None)

    def body(self, context):
        for number in range(3):
            context.step(f"step-{number}", lambda number=number: self.effects.append(f"{number}@{self.agenda.now:.0f}"))
            woken = context.wait(100.0)
            context.report(f"woken: {woken}")
        return {"last": self.agenda.now}

    def start(self, kind: str = "wave") -> str:
        with self.db.write() as connection:
            id = self.jobs.start(connection, kind, "digits", {})
        self.events.deliver()
        return id


@pytest.fixture
def world(tmp_path):
    db = new_database(tmp_path)
    yield World(db)
    db.close()


def test_a_run_waits_in_virtual_time_and_does_each_step_once(world):
    id = world.start()

    while world.agenda.step():
        pass

    assert world.effects == ["0@1001", "1@1101", "2@1201"]
    assert world.jobs.get(id).state is RunState.DONE
    assert world.jobs.get(id).result == {"last": 1301.0}


def test_a_run_that_is_woken_goes_on_at_once(world):
    id = world.start()
    world.agenda.step()

    world.jobs.wake(id)
    world.agenda.step()

    assert world.effects == ["0@1001", "1@1002"]
    assert world.jobs.get(id).step == "woken: True"


def test_a_run_goes_on_in_the_next_life_of_its_hub_and_repeats_no_step(world):
    id = world.start()
    world.agenda.step()
    world.jobs.shut_down()
    world.agenda.at(1_050.0, world.restart)

    while world.agenda.step():
        pass

    assert [effect[0] for effect in world.effects] == ["0", "1", "2"]
    assert world.jobs.get(id).state is RunState.DONE


def test_runs_of_kinds_that_a_simulation_leaves_out_end_at_once(world):
    id = world.start("deltas")

    while world.agenda.step():
        pass

    assert world.effects == []
    assert world.jobs.get(id).state is RunState.DONE
