"""Deltas: made between like files for what devices need, kept if they pay and while they are used, and planned with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from edgewright.contract import manifest as manifests
from edgewright.contract.api import DeltaState
from edgewright.contract.report import Pace
from edgewright.hub.jobs import Jobs, run_table
from edgewright.hub.packaging import MAX_FETCHES, Deltas, Limits
from edgewright.hub.packaging.deltas.service import NO_PLACE, NO_TIME
from edgewright.hub.packaging.deltas.stock import IN_USE_S

SLOW = Pace(download_bytes_s=2_000.0, request_s=0.1, apply_bytes_s=1e6)
MADE, USELESS, FAILED = DeltaState.MADE, DeltaState.USELESS, DeltaState.FAILED


class Run:
    """A run's context without its durability."""

    def __init__(self, args: dict[str, Any]) -> None:
        self.args = args

    def step(self, _name: str, act: Callable[..., Any], *args: Any) -> Any:
        return act(*args)

    def report(self, *_: Any, **__: Any) -> None:
        pass


class Workshop:
    """The room under test, with the releases digits/1 to digits/4 of one line."""

    def __init__(self, house, limits: Limits) -> None:
        self.house = house
        self.jobs = Jobs(house.db, house.events, house.clock)
        self.deltas = Deltas(house.db, house.blobs, house.clock, self.jobs, house.folder / "work", limits)
        self.packages = []
        for number in (1, 2, 3, 4):
            house.add_version(number, targets=("cpu-fp32",))
            self.packages.append(house.packaging.manifest(house.build(number).packages[0].manifest_sha256))

    def digest(self, counter: int) -> str:
        return manifests.digest(manifests.encode(self.packages[counter - 1]))

    def model(self, counter: int) -> str:
        return self.packages[counter - 1].find(manifests.Role.MODEL).sha256

    def make(self, *needs: tuple[int, int, int]) -> dict[str, Any]:
        """Have made what so many devices need; each need is (base, wanted, devices), by counters."""
        counted = {(self.digest(base), self.digest(wanted)): devices for base, wanted, devices in needs}
        with self.house.db.write() as connection:
            run = self.deltas.start(connection, f"digits/{needs[0][1]}", counted, id="", why="a test")
        return self.perform(run)

    def perform(self, run: str) -> dict[str, Any]:
        with self.house.db.read() as connection:
            args = connection.scalar(sa.select(run_table.c.args).where(run_table.c.id == run))
        return self.deltas.run(Run(args))

    def plan(self, wanted: int, *held: int, pace: Pace = SLOW):
        return self.deltas.plan(self.digest(wanted), frozenset(map(self.digest, held)), pace, MAX_FETCHES)

    def shown(self, counter: int) -> dict[tuple[str, str], tuple[DeltaState, str]]:
        """What is shown of a release: state and reason by base release and file."""
        records = self.deltas.of_release("digits", counter, {})
        return {(record.base, record.file): (record.state, record.reason) for record in records}

    def states(self, counter: int) -> dict[str, DeltaState]:
        return {base: state for (base, file), (state, _) in self.shown(counter).items() if file == "model.onnx"}


@pytest.fixture
def workshop(house) -> Workshop:
    return Workshop(house, Limits())


def test_a_device_gets_the_delta_on_the_model_that_it_runs(workshop):
    workshop.make((1, 2, 5))

    plan = workshop.plan(2, 1)

    (fetch,) = plan.fetches
    size = workshop.house.blobs.size(workshop.model(2))
    assert (fetch.base_sha256, fetch.result_sha256) == (workshop.model(1), workshop.model(2))
    assert (fetch.result_bytes, fetch.size_bytes) == (size, workshop.house.blobs.size(fetch.sha256))
    assert fetch.size_bytes < plan.sent_bytes < plan.full_bytes
    assert workshop.plan(2).fetches == ()
    assert workshop.plan(2, 1, 2).fetches == ()
    assert workshop.deltas.plan(workshop.digest(2), frozenset({"0" * 64}), SLOW, MAX_FETCHES).fetches == ()


def test_the_hops_of_earlier_releases_make_a_chain(workshop):
    workshop.make((1, 2, 5))
    workshop.make((2, 3, 5))

    plan = workshop.plan(3, 1)

    hops = [(fetch.base_sha256, fetch.result_sha256) for fetch in plan.fetches]
    assert hops == [(workshop.model(1), workshop.model(2)), (workshop.model(2), workshop.model(3))]


def test_a_plan_is_made_anew_once_there_is_a_delta(workshop):
    before = workshop.plan(2, 1)

    workshop.make((1, 2, 1))

    assert before.fetches == ()
    assert len(workshop.plan(2, 1).fetches) == 1


def test_each_pair_is_tried_once_and_shown_with_what_became_of_it(workshop):
    first = workshop.make((1, 2, 3))
    again = workshop.make((1, 2, 3))

    assert first["pairs"] == 1
    assert again["pairs"] == 0
    (record,) = workshop.deltas.of_release("digits", 2, {workshop.digest(1): 7})
    assert (record.base, record.target, record.file) == ("digits/1", "cpu-fp32", "model.onnx")
    assert (record.state, record.devices) == (MADE, 7)
    assert 0 < record.size_bytes < record.full_bytes
    assert record.cpu_s > 0


def test_what_waits_for_its_worker_is_shown_so(workshop):
    with workshop.house.db.write() as connection:
        workshop.deltas.start(connection, "digits/2", {(workshop.digest(1), workshop.digest(2)): 1}, id="", why="")

    assert workshop.states(2) == {"digits/1": DeltaState.QUEUED}
    assert workshop.deltas.is_foreseen(workshop.digest(1), workshop.digest(2))
    assert not workshop.deltas.is_foreseen(workshop.digest(3), workshop.digest(2))


def test_a_package_that_a_device_made_up_starts_no_work(workshop):
    with workshop.house.db.write() as connection:
        run = workshop.deltas.start(connection, "digits/2", {("e" * 64, workshop.digest(2)): 9}, id="", why="")

    assert workshop.deltas.is_foreseen("e" * 64, workshop.digest(2))
    assert workshop.perform(run)["pairs"] == 0
    assert workshop.deltas.of_release("digits", 2, {}) == []


def test_a_delta_that_saves_nothing_is_remembered_and_not_served(workshop):
    noise = np.random.default_rng(0).bytes(20_000)
    workshop.house.blobs.path(workshop.model(1)).write_bytes(noise[:300])

    workshop.make((1, 2, 1))

    ((state, reason),) = workshop.shown(2).values()
    assert state in (MADE, USELESS)
    assert (state is USELESS) == ("% of the file" in reason)


def test_what_failed_is_remembered_with_its_reason_and_tried_again_when_asked_for(workshop):
    base = workshop.house.blobs.path(workshop.model(1))
    aside = base.rename(base.with_name("aside"))
    workshop.make((1, 2, 1))
    ((state, reason),) = workshop.shown(2).values()
    aside.rename(base)
    idle = workshop.make((1, 2, 1))

    workshop.perform(workshop.deltas.retry("digits", 2, "olga"))

    assert (state, "there is no blob" in reason) == (FAILED, True)
    assert idle["pairs"] == 0
    assert workshop.states(2) == {"digits/1": MADE}


def test_the_base_of_most_devices_comes_first_and_the_others_wait_for_another_time(house):
    workshop = Workshop(house, Limits(run_cpu_s=0.01))

    workshop.make((1, 4, 2), (2, 4, 9), (3, 4, 5))

    assert workshop.states(4) == {"digits/1": "skipped", "digits/2": MADE, "digits/3": "skipped"}
    assert {reason for _, reason in workshop.shown(4).values()} == {"", NO_TIME}
    assert workshop.make((1, 4, 2))["pairs"] == 1


def test_no_more_bases_of_a_file_are_tried_than_the_limit(house):
    workshop = Workshop(house, Limits(max_bases=1))

    workshop.make((1, 3, 2), (2, 3, 9))

    assert workshop.shown(3)["digits/1", "model.onnx"] == (DeltaState.SKIPPED, NO_PLACE)
    assert workshop.states(3)["digits/2"] is MADE


def test_a_pair_that_takes_too_long_has_failed(house):
    workshop = Workshop(house, Limits(pair_cpu_s=0.01))

    workshop.make((1, 2, 1))

    assert workshop.shown(2)["digits/1", "model.onnx"] == (FAILED, "not made within 0.01 s")


def test_where_the_disk_is_full_the_longest_unused_delta_goes_and_one_in_use_stays(house):
    trial = Workshop(house, Limits())
    trial.make((1, 2, 1))
    (fetch,) = trial.plan(2, 1).fetches
    small = Deltas(
        house.db, house.blobs, house.clock, trial.jobs, house.folder / "work", Limits(disk_bytes=fetch.size_bytes + 9)
    )
    trial.deltas = small

    trial.make((2, 3, 1))
    refused = trial.shown(3)["digits/2", "model.onnx"]
    house.clock.now += IN_USE_S + 1
    trial.make((2, 3, 1))

    assert refused[0] is DeltaState.SKIPPED
    assert "are taken" in refused[1]
    assert trial.states(3) == {"digits/2": MADE}
    assert trial.states(2) == {"digits/1": DeltaState.EVICTED}
    assert not house.blobs.exists(fetch.sha256)
    assert trial.plan(2, 1).fetches == ()


def test_a_delta_that_an_order_names_is_not_evicted(house):
    workshop = Workshop(house, Limits())
    workshop.make((1, 2, 1))
    plan = workshop.plan(2, 1)
    workshop.deltas = Deltas(
        house.db, house.blobs, house.clock, workshop.jobs, house.folder / "work", Limits(disk_bytes=1)
    )
    house.clock.now += IN_USE_S + 1

    workshop.deltas.note_used(plan.fetches)
    workshop.make((2, 3, 1))

    assert workshop.states(2) == {"digits/1": MADE}
    assert workshop.states(3) == {"digits/2": DeltaState.SKIPPED}
