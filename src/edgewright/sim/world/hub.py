"""A real hub in virtual time, on a folder copied from one that was set up once; it can be killed and started again."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edgewright.client.keys import OperatorKeys, ceremony
from edgewright.contract.errors import Unreachable
from edgewright.hub.app import Hub, build_hub
from edgewright.hub.settings import Settings
from edgewright.hub.web.devices import DeviceDoors
from edgewright.sim.world.agenda import Agenda, dice
from edgewright.sim.world.doors import Doors, Said
from edgewright.sim.world.jobs import Store, VirtualJobs
from edgewright.sim.world.releases import Made, build, publish

BEGINS_AT = 1_800_000_000.0
RENEWAL_S = 3 * 3600.0
POLL_S = 300.0
IDLE = ("deltas", "optimize", "train", "step", "pipeline", "evaluate")
"""Kinds of runs that a simulation leaves out: they would take minutes of real time."""


class SimHub:
    """One hub. `serve` makes its device doors of it."""

    def __init__(
        self,
        folder: Path,
        agenda: Agenda,
        seed: int,
        *,
        serve: Callable[[Hub], DeviceDoors] = DeviceDoors,
        poll_s: float | None = POLL_S,
    ) -> None:
        self.folder = folder
        self.agenda = agenda
        self.is_up = False
        self._serve = serve
        self._poll_s = poll_s
        self._store = Store()
        self._token_bytes = dice(seed, "hub").randbytes
        self._doors = Doors()
        self.start()
        agenda.every(RENEWAL_S, self._renew)

    def start(self) -> None:
        """Start the hub: what it had under way goes on."""
        self.hub = build_hub(
            Settings(dir=self.folder, poll_s=self._poll_s, database_url=""),
            self.agenda.clock,
            jobs_of=lambda db, events, clock: VirtualJobs(db, events, clock, self.agenda, self._store, IDLE),
            token_bytes=self._token_bytes,
        )
        self._application = self._serve(self.hub)
        self.hub.packaging.renew()
        self.hub.jobs.launch(self.folder / "runs.sqlite")
        self.is_up = True
        self.settle()

    def kill(self) -> None:
        """End the hub as a crash would: what it has only in memory is lost."""
        self.is_up = False
        self.hub.jobs.shut_down()
        self.hub.commits.stop()
        self.hub.db.close()

    def settle(self) -> None:
        """Let the hub's rooms hear what has happened."""
        if self.is_up:
            self.hub.events.deliver()
            self.hub.events.look()

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, client: str = "10.0.0.1") -> Said:
        """A device's request; raises Unreachable while the hub is down."""
        if not self.is_up:
            raise Unreachable("the hub is down")
        said = self._doors.ask(self._application, method, path, headers, body, client)
        if path.endswith("/batch"):
            self.settle()
        return said

    def close(self) -> None:
        """End it for good."""
        if self.is_up:
            self.kill()
        self._doors.close()

    def _renew(self) -> None:
        if self.is_up:
            self.hub.packaging.renew()


def lay_out(folder: Path, published: Sequence[Made], drafted: Sequence[Made] = ()) -> Path:
    """Fill `folder` with a hub that has published releases, and some that nobody has approved; made once a process."""
    shutil.copytree(_template(tuple(published), tuple(drafted)), folder, dirs_exist_ok=True)
    return folder


@functools.cache
def _template(published: Collection[Made], drafted: Collection[Made]) -> Path:
    root = Path(_home().name) / str(abs(hash((published, drafted))))
    agenda = Agenda(BEGINS_AT)
    hub = build_hub(Settings(dir=root, database_url=""), agenda.clock)
    ceremony(root / "operator", root / "tuf", hub.keys.public(), datetime.fromtimestamp(BEGINS_AT, UTC))
    hub.packaging.renew()
    operator = OperatorKeys(root / "operator")
    for made in published:
        publish(hub, build(hub, made), operator)
    for made in drafted:
        build(hub, made)
    hub.events.deliver()
    hub.db.close()
    return root


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    """In memory where the machine can: a simulation need not survive a cut of the power."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    return tempfile.TemporaryDirectory(prefix="edgewright-sim-", dir=memory if memory.is_dir() else None)


def scratch(name: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for one simulation, removed with it."""
    return tempfile.TemporaryDirectory(prefix=f"{name}-", dir=_home().name)
