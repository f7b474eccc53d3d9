"""The site of the demonstration: one hub, and devices that each have an agent and an app as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edgewright.cli.demo.relay import Relay
from edgewright.contract.errors import EdgewrightError, NotFound

POLL_S = 0.4
WINDOW_S = 2.0
SLOW_LINK_BYTES_S = 30_000
GRACE_S = 10.0


class ProcessFailed(EdgewrightError):
    code = "process_failed"
    hint = "Its log is in the demo's folder; keep that with --dir DIR."


class HubFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What `edgewright hub up --json` prints once the hub answers."""

    hub: str
    user: str
    password: str
    keys: str


@dataclass
class Device:
    """One device: its folder, its two processes, and the link it has."""

    number: int
    name: str
    folder: Path
    hub_url: str
    claim: str = ""
    relay: Relay | None = None
    bandwidth_bytes_s: int = 0
    asked_besides: int = 0  # requests of the demonstration itself, beside those of the app
    agent: subprocess.Popen[bytes] | None = None
    app: subprocess.Popen[bytes] | None = None

    @property
    def agent_dir(self) -> Path:
        """The agent's own folder."""
        return self.folder / "agent"

    def stats(self) -> dict[str, Any]:
        """What the app has counted so far; empty before its first second."""
        try:
            counted: dict[str, Any] = json.loads((self.folder / "stats.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return counted

    def requests(self) -> int:
        """How many requests the models on this device were asked."""
        return int(self.stats().get("requests", 0)) + self.asked_besides


@dataclass
class Site:
    """Everything that runs, under one folder. `stop` ends it all, whatever happened."""

    folder: Path
    examples: Path
    devices: list[Device] = field(default_factory=list)
    hub: subprocess.Popen[bytes] | None = None
    hub_log: Path = Path()

    @classmethod
    def prepare(cls, folder: Path) -> Site:
        """Copy the examples into `folder`, as a user would."""
        shutil.copytree(examples_folder(), folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        site = cls(folder, folder / "examples")
        site.set_world("usual")
        return site

    def set_world(self, world: str) -> None:
        """What the cameras see: 'usual' or 'changed'."""
        draft = self.folder / "world.new"
        draft.write_text(world)
        draft.replace(self.folder / "world")

    def start_hub(self, port: int = 0) -> HubFacts:
        """Start `edgewright hub up` and wait until it answers."""
        argv = [*_edgewright(), "hub", "up", "--dir", str(self.folder / "hub"), "--port", str(port), "--json"]
        argv += ["--operator", str(self.folder / "operator")]
        self.hub_log = self.folder / "hub.log"
        with self.hub_log.open("ab") as log:
            self.hub = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=self._environment())
        assert self.hub.stdout is not None  # noqa: S101 (PIPE above)
        line = self.hub.stdout.readline()
        try:
            return msgspec.json.decode(line, type=HubFacts)
        except msgspec.MsgspecError as error:
            raise ProcessFailed(f"the hub did not start: {self.hub_log.read_text()[-400:]}") from error

    def add_device(
        self, number: int, hub_url: str, claim: str, *, cuttable: bool = False, slow: bool = False
    ) -> Device:
        """Start an agent that enrols with `claim`."""
        device = Device(number, f"lane-{number}", self.folder / f"device-{number}", hub_url, claim)
        if cuttable:
            place = urlsplit(hub_url)
            device.relay = Relay((str(place.hostname), int(place.port or 80)))
            device.hub_url = f"http://127.0.0.1:{device.relay.port}"
        if slow:
            device.bandwidth_bytes_s = SLOW_LINK_BYTES_S
        device.folder.mkdir(parents=True)
        self.devices.append(device)
        self.start_agent(device)
        return device

    def start_agent(self, device: Device) -> None:
        """Start the device's agent, the first time or again."""
        argv = [sys.executable, "-m", "edgewright.agent", "run", "--dir", str(device.agent_dir)]
        argv += ["--hub", device.hub_url, "--claim", device.claim, "--name", device.name]
        argv += ["--poll-s", str(POLL_S), "--window-s", str(WINDOW_S)]
        if device.bandwidth_bytes_s:
            argv += ["--bandwidth-bytes-s", str(device.bandwidth_bytes_s)]
        device.agent = self._start(argv, device.folder / "agent.log")

    def start_app(self, device: Device) -> None:
        """Start the device's app, which infers until the end."""
        argv = [sys.executable, str(self.examples / "device" / "app.py"), "--dir", str(device.agent_dir)]
        for model in ("digits", "wine"):
            argv += [f"--{model}", str(self.examples / model / "field" / "field.npz")]
        argv += ["--world", str(self.folder / "world"), "--stats", str(device.folder / "stats.json")]
        device.app = self._start([*argv, "--seed", str(device.number)], device.folder / "app.log")

    def kill_agent(self, device: Device) -> None:
        """SIGKILL, as a power cut would."""
        if device.agent is not None:
            device.agent.send_signal(signal.SIGKILL)
            device.agent.wait()

    def stop_apps(self) -> None:
        """Let the apps finish: each sends its last window to the spool and counts a last time."""
        _stop(device.app for device in self.devices)

    def stop(self) -> None:
        """End every process."""
        self.stop_apps()
        _stop(device.agent for device in self.devices)
        for device in self.devices:
            if device.relay is not None:
                device.relay.close()
        _stop([self.hub])

    def run_example(self, model: str, script: str) -> None:
        """Run a script of an example in its folder."""
        finished = subprocess.run(
            [sys.executable, script], cwd=self.examples / model, capture_output=True, text=True, check=False
        )
        if finished.returncode != 0:
            raise ProcessFailed(f"{model}/{script} failed: {finished.stderr[-400:]}")

    def _start(self, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(argv, stdout=file, stderr=file, env=self._environment())

    def _environment(self) -> dict[str, str]:
        """Ours, without what a user has set for a hub of their own."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("EDGEWRIGHT_")}
        return {**ours, "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": str(self.folder / "config")}


def examples_folder() -> Path:
    """Where the examples lie: in the checkout, or in the installed package. Raises NotFound."""
    package = Path(__file__).resolve().parents[2]
    for place in (package / "examples", package.parents[1] / "examples"):
        if (place / "digits" / "edgewright.toml").is_file():
            return place
    raise NotFound("the examples are not installed", field="examples", hint="Run the demo from a checkout.")


def _edgewright() -> list[str]:
    return [sys.executable, "-m", "edgewright.cli"]


def _stop(processes: Iterator[subprocess.Popen[bytes] | None] | list[subprocess.Popen[bytes] | None]) -> None:
    running = [process for process in processes if process is not None and process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
        if process.poll() is None:
            process.kill()
            process.wait()
