"""Waves as durable runs: the real worker carries a rollout through, woken by what devices report."""

from __future__ import annotations

import threading

import pytest

from edgewright.contract.api import RolloutState, RunState
from edgewright.contract.report import Outcome

PATIENCE_S = 20.0


def non_daemons() -> list[threading.Thread]:
    """The threads in which runs do their work."""
    return [thread for thread in threading.enumerate() if not (thread.daemon or thread is threading.main_thread())]


@pytest.fixture
def hub(world, tmp_path):
    """The world with its worker and its events running."""
    world.jobs.launch(tmp_path / "runs.sqlite")
    world.events.start()
    world.group()
    world.shelf.put("digits", 1)
    world.shelf.put("digits", 2)
    yield world
    world.events.stop()
    world.jobs.shut_down()
    for worker in non_daemons():
        worker.join(timeout=PATIENCE_S)


@pytest.fixture
def heard(hub):
    """Waits until the hub has told of an event of that kind."""

    def listen(kind: str) -> threading.Event:
        told = threading.Event()
        hub.events.subscribe(kind, lambda _event: told.set())
        return told

    return listen


@pytest.mark.parametrize(
    ("outcome", "ends_as"), [(Outcome.COMMITTED, RolloutState.DONE), (Outcome.ROLLED_BACK, RolloutState.HALTED)]
)
def test_reports_wake_the_waves_and_the_rollout_ends(hub, heard, outcome, ends_as):
    hub.enrol(4)
    ended = heard(f"rollout.{ends_as}")

    def answer(event):
        for device in hub.wave(event.subject, event.data["wave"]):
            hub.install(device, outcome)

    hub.events.subscribe("rollout.wave_started", answer)
    id = hub.start("digits/1", waves=(1, 4)).id

    assert ended.wait(PATIENCE_S)
    assert hub.rollouts.rollout(id).state is ends_as


def test_deltas_are_made_by_a_run_before_the_first_wave_starts(hub, heard, operator):
    for device in hub.enrol(2):
        hub.run(device, "digits", 1)
        hub.check_in(device)
    started, ended = heard("rollout.wave_started"), heard("run.ended")

    id = hub.start("digits/2").id

    assert started.wait(PATIENCE_S)
    assert hub.jobs.get(f"{id}-deltas").state is RunState.DONE
    ended.clear()
    hub.rollouts.abort(operator, id, "the test is over")
    assert ended.wait(PATIENCE_S)


def test_stopping_the_hub_does_not_fail_the_wave_that_runs(hub, heard):
    (device,) = hub.enrol(1)
    hub.check_in(device)  # a wave in which somebody is at it looks again soon
    started = heard("rollout.wave_started")
    id = hub.start("digits/1").id
    assert started.wait(PATIENCE_S)
    hub.events.stop()
    workers = non_daemons()

    hub.jobs.shut_down()

    for worker in workers:
        worker.join(timeout=PATIENCE_S)
    assert hub.jobs.get(f"{id}-wave-1").state in (RunState.RUNNING, RunState.WAITING)
    assert hub.rollouts.rollout(id).state is RolloutState.RUNNING
