"""A hub that is killed (SIGKILL) in the middle of its work and started again goes on where it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgewright.cli.demo.site import examples_folder
from edgewright.contract.api import RolloutRecord, RolloutState, RunRecord, RunState
from scenes.desk import Desk, until
from scenes.publishing import publish, register

pytestmark = pytest.mark.e2e

DEVICES = 3


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        yield desk
    finally:
        desk.close()


def test_a_rollout_ends_although_the_hub_is_killed_twice(desk):
    release = publish(desk, register(desk, "digits"))
    enrol_devices(desk)
    words = ["--group", "all", "--waves", "1,2,3", "--shadow-requests", "0"]
    id = desk.done("rollout", "start", release, *words)["id"]

    kill_when(desk, id, lambda rollout: offered(rollout) == 1)
    desk.start_hub()
    kill_when(desk, id, lambda rollout: rollout.waves[0].state == "passed")
    desk.start_hub()
    watched = desk.run("rollout", "watch", id)

    assert watched.code == 0, watched.err
    with desk.client() as hub:
        rollout, devices = hub.rollouts.get(id), hub.devices.list()
        actions = Counter(entry.action for entry in hub.audit.entries() if entry.subject == id)
    assert rollout.state is RolloutState.DONE
    assert [(wave.size, wave.committed, wave.failed, wave.waiting) for wave in rollout.waves] == [(1, 1, 0, 0)] * 3
    assert sorted(part.device for part in rollout.deployments) == sorted(device.id for device in devices)
    assert {part.state for part in rollout.deployments} == {"committed"}
    assert [[state.counter for state in device.models] for device in devices] == [[1]] * DEVICES
    told = {"rollout.started": 1, "rollout.wave_started": 3, "rollout.wave_passed": 3, "rollout.done": 1}
    assert actions == told
    assert desk.run("audit", "verify").code == 0


@pytest.mark.parametrize("step", ["train", "register"])
def test_a_training_run_ends_with_one_version_although_the_hub_is_killed(desk, step):
    project = copy_project(desk.home / "project")
    desk.done("data", "snapshot", "digits", str(project / "data"))
    id = desk.done("train", "--project", str(project), "--no-wait")["id"]

    with desk.client() as hub:
        until(lambda: is_at(hub.runs.get(id), step), f"the run is at the step {step}")
    desk.kill_hub()
    desk.start_hub()

    with desk.client() as hub:
        (run,) = hub.runs.wait_all([id])
        versions = hub.models.get("digits").versions
    assert run.state is RunState.DONE, run.error
    assert [version.version for version in versions] == [1]
    assert run.result["version"] == 1
    assert list((desk.home / "hub" / "work").iterdir()) == []
    assert desk.run("audit", "verify").code == 0


def enrol_devices(desk: Desk) -> None:
    """Three agents, as processes of their own."""
    desk.done("group", "create", "all", "--selector", "all")
    for number, claim in enumerate(desk.done("device", "claim", "--count", str(DEVICES))["tokens"]):
        desk.agent(f"lane-{number}", claim)
    until(lambda: len(desk.done("device", "ls")) == DEVICES, f"{DEVICES} devices are enrolled")


def kill_when(desk: Desk, rollout: str, holds: Callable[[RolloutRecord], bool]) -> None:
    """Kill the hub in the middle of a rollout."""
    with desk.client() as hub:
        until(lambda: holds(hub.rollouts.get(rollout)), "the rollout is where the hub shall be killed")
        assert hub.rollouts.get(rollout).state is RolloutState.RUNNING
    desk.kill_hub()


def offered(rollout: RolloutRecord) -> int:
    return sum(deployment.state == "offered" for deployment in rollout.deployments)


def is_at(run: RunRecord, step: str) -> bool:
    """Whether the step has really begun: training says so itself."""
    assert run.state in (RunState.QUEUED, RunState.RUNNING), run.state
    return run.step == step and "epoch" in run.log


def copy_project(folder: Path) -> Path:
    """The example, trained for long enough to be killed in the middle."""
    shutil.copytree(examples_folder() / "digits", folder)
    subprocess.run([sys.executable, "make_data.py"], cwd=folder, check=True, capture_output=True)
    file = folder / "edgewright.toml"
    file.write_text(file.read_text().replace("\nepochs = 30", "\nepochs = 60"))
    return folder
