"""Delivery between two talks with the hub: crashes, wishes of people on site, trouble with one model of several."""

from __future__ import annotations

import errno
import os
import threading
import time

import msgspec
import pytest
from device import Verdicts, serving_counter
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent import states
from edgewright.agent.disk import Boots
from edgewright.agent.link import Chance
from edgewright.agent.machine import NothingToGoBackTo
from edgewright.agent.states import Crash, Step
from edgewright.agent.supervisor import Keeper, Supervisor
from edgewright.agent.system import Stop
from edgewright.contract.errors import NotAllowed, NotFound
from edgewright.contract.report import Conditions, InstallReport, Outcome


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def agent(tmp_path, hub) -> Agent:
    """Release 2 serves, and release 1 lies in the spare slot."""
    agent = Agent(tmp_path / "agent", hub)
    for counter in (1, 2):
        hub.release(counter)
        agent.work(for_s=40.0)
    assert serving_counter(agent.root) == 2
    return agent


def crash(agent: Agent, times: int = 3) -> None:
    active = states.active_slot(agent.delivery.machine("digits").record)
    agent.crashed += [Crash(model="digits", manifest_sha256=active.manifest_sha256, reason="SIGSEGV")] * times


def told(hub: ScriptedHub) -> list[tuple[str, Outcome]]:
    return [(one.deployment, one.outcome) for one in hub.records if isinstance(one, InstallReport)]


def test_three_crashes_bring_the_former_release_back_and_the_hub_hears_of_it(agent, hub):
    crash(agent)

    agent.work()

    assert serving_counter(agent.root) == 1
    assert told(hub)[-1] == ("d2", Outcome.ROLLED_BACK)
    assert hub.check_ins[-1].models[0].counter == 1


def test_a_crashing_release_gives_way_also_while_another_cannot_be_fetched(agent, hub):
    hub.release(3)
    hub.shelf.blobs.clear()
    agent.work(for_s=100.0)

    crash(agent)
    agent.delivery.turn()

    assert serving_counter(agent.root) == 1


def test_the_release_that_was_given_up_is_not_begun_again(agent, hub):
    crash(agent)
    agent.work(for_s=100.0)

    assert serving_counter(agent.root) == 1
    assert [outcome for deployment, outcome in told(hub) if deployment == "d2"] == [
        Outcome.COMMITTED,
        Outcome.ROLLED_BACK,
    ]


def test_a_crash_of_a_model_that_is_not_here_leaves_no_trace(agent):
    agent.crashed = [
        Crash(model="ghost", manifest_sha256="0" * 64, reason="r"),
        Crash(model="../x", manifest_sha256="0" * 64, reason="r"),
    ]

    agent.work()

    assert sorted(path.name for path in (agent.root / "models").iterdir()) == ["digits"]


def test_crashes_wait_while_the_disk_is_full(agent, monkeypatch):
    machine = agent.delivery.machine("digits")
    save = machine.folder.save
    monkeypatch.setattr(machine.folder, "save", _full)
    crash(agent)
    agent.delivery.turn()
    monkeypatch.setattr(machine.folder, "save", save)

    agent.work()

    assert serving_counter(agent.root) == 1


def _full(_record):
    raise OSError("the disk is full")


def test_trouble_with_one_model_leaves_the_others_alone(agent, hub):
    (agent.root / "models" / "broken").write_bytes(b"")
    (agent.root / "models" / "another").mkdir()
    (agent.root / "models" / "another" / "state.json").mkdir()
    hub.release(3)

    Agent(agent.root, hub).work(for_s=40.0)

    assert serving_counter(agent.root) == 3


def test_a_wish_is_done_on_deliverys_thread(agent):
    future = agent.delivery.ask(lambda delivery: delivery.roll_back("digits", "a person on site"))
    assert agent.bell.is_rung
    agent.work()

    assert future.result() is None
    assert serving_counter(agent.root) == 1


def test_a_wish_that_cannot_be_done_says_why(agent):
    unknown = agent.delivery.ask(lambda delivery: delivery.roll_back("ghost", "r"))
    first = agent.delivery.ask(lambda delivery: delivery.roll_back("digits", "r"))
    agent.work()
    second = agent.delivery.ask(lambda delivery: delivery.roll_back("digits", "r"))
    agent.work()

    assert isinstance(unknown.exception(), NotFound)
    assert first.exception() is None
    assert isinstance(second.exception(), NothingToGoBackTo)


def test_a_device_that_went_down_suspects_what_serves(agent, hub):
    Boots(agent.root, "boot2")

    again = Agent(agent.root, hub)  # in another boot, by its own account
    again.work()

    assert states.active_slot(again.delivery.machine("digits").record) is not None
    assert again.delivery.machine("digits").record.short_boots == 1


def test_a_stop_ends_both_threads_at_once(agent):
    stop = Stop()
    agent.delivery._stop = stop
    chance = Chance(uniform=lambda low, high: high)
    supervisor = Supervisor(Keeper([], stop, time.monotonic, chance), agent.delivery, stop, lambda: None)
    threading.Timer(0.2, stop.request).start()

    began = time.monotonic()
    supervisor.run()

    assert time.monotonic() - began < 3.0
    assert not any(thread.name == "delivery" for thread in threading.enumerate())


def test_a_trial_that_a_stop_breaks_off_costs_no_try(agent, hub):
    agent.trials.script = ()
    hub.release(3)
    while agent.delivery.machine("digits").record.step is not Step.TRIAL or agent.trials.started < 3:
        agent.delivery.turn()
    stop = Stop()
    stop.request()
    agent.delivery._stop = stop

    agent.delivery.run()

    assert agent.delivery.machine("digits").record.candidate.tries_left == states.TRIES


def test_a_device_that_asks_its_hub_once_a_day_knows_in_time_that_it_has_been_up_for_an_hour(tmp_path, hub):
    hub.release(1)
    agent = Agent(tmp_path / "agent", hub, poll_s=86_400.0).work(for_s=60.0)

    woke_at = agent.ticks
    agent.delivery.turn()

    assert woke_at == states.SETTLED_S
    assert not Boots(agent.root, "boot2").went_down
    assert states.active_slot(agent.delivery.machine("digits").record).is_settled


def test_a_worker_that_has_ended_keeps_nobody_awake_while_the_disk_has_no_room_for_its_verdict(agent, hub, monkeypatch):
    end = os.eventfd(1)  # of the worker, which can be read from then on
    monkeypatch.setattr(Verdicts._One, "waits_on", lambda _: (end,))
    hub.release(3)
    agent.delivery.hurry()
    while agent.trials.started < 3:
        agent.delivery.turn()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgewright.agent.disk.durable.write", full)
    for _ in range(3):
        agent.delivery.turn()

    assert end not in agent.wakers
    os.close(end)


def again(hub: ScriptedHub, **terms) -> None:
    hub.installs = tuple(msgspec.structs.replace(one, **terms) for one in hub.installs)


def test_a_lease_that_is_over_is_asked_for_once_and_a_new_one_is_followed_at_once(agent, hub):
    hub.release(3, lease_until=hub.now - 1.0)
    agent.work(for_s=31.0)
    hub.asked.clear()

    agent.work(for_s=300.0)
    asked = hub.asked.count("POST checkin")
    again(hub, lease_until=hub.now + 3600.0)
    agent.work(for_s=61.0)

    assert asked <= 12
    assert serving_counter(agent.root) == 3
    assert told(hub)[-1] == ("d3", Outcome.COMMITTED)


def test_a_device_that_asks_seldom_asks_once_at_once_when_a_lease_is_over(tmp_path, hub):
    agent = Agent(tmp_path / "agent", hub, poll_s=86_400.0)
    hub.release(1, lease_until=hub.now - 1.0)

    agent.work(for_s=3600.0)

    assert len(hub.check_ins) == 2
    assert agent.ticks < 7200.0


def test_a_check_in_says_what_is_put_off_and_status_why(agent, hub):
    low = Conditions(is_on_battery=True, battery_percent=5)
    object.__setattr__(agent.delivery._equipment, "look", lambda: low)
    hub.release(3, begin_by=hub.now + 3600.0)
    agent.work(for_s=90.0)

    said = hub.check_ins[-1]
    assert [(one.deployment, one.reason) for one in said.deferrals] == [("d3", "battery")]
    assert agent.delivery.waits() == ("release 3 of digits put off for at most 3600 s: the battery is low",)


def test_check_ins_tell_one_life_and_the_machine_once(agent, hub):
    lives = {one.life for one in hub.check_ins}
    turns = [one.turn for one in hub.check_ins]

    assert len(lives) == 1
    assert lives != {""}
    assert turns == list(range(1, len(turns) + 1))
    assert [bool(one.machine) for one in hub.check_ins] == [True, *[False] * (len(turns) - 1)]


def test_a_device_that_has_to_wait_for_approval_serves_on_and_asks_politely(agent, hub, monkeypatch):
    def turn_away(method, path, headers, body):
        hub.asked.append(f"{method} {path}")
        error = NotAllowed("somebody has to approve this device")
        error.code = "waiting_for_approval"
        raise error

    agent.work(for_s=31.0)
    monkeypatch.setattr(hub, "answer", turn_away)
    agent.work(for_s=31.0)
    hub.asked.clear()
    agent.work(for_s=599.0)

    assert len(hub.asked) == 1
    assert "until somebody at the hub approves it" in agent.delivery.turned_away
    monkeypatch.undo()
    agent.work(for_s=600.0)
    assert (agent.delivery.turned_away, serving_counter(agent.root)) == ("", 2)
