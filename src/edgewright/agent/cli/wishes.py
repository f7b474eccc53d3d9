"""What the running agent does with the wishes that reach its socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright import __version__
from edgewright.agent.bundle import BundleFolder, Carry, Detour, Reader
from edgewright.agent.bundle.command import repository
from edgewright.agent.control import Flush, ImportBundle, Live, Load, Reload, RollBack, Unload, Wish
from edgewright.agent.disk import Identity, Settings, settings
from edgewright.agent.link import Allowance, Exchange, Schedule, SignedTime
from edgewright.agent.status import LiveState, WorkerFacts
from edgewright.agent.supervisor import Delivery
from edgewright.agent.system import Stop
from edgewright.agent.workers import Workers, WorkerState


@dataclass(frozen=True)
class Wishes:
    """Fulfils wishes: what concerns the models and the hub on delivery's thread, the rest at once. `begin_anew` asks
    the agent to stop and to start with the settings of then."""

    root: Path
    identity: Identity
    settings: Settings
    delivery: Delivery
    workers: Workers
    exchange: Exchange
    allowance: Allowance
    check_ins: Schedule
    time: SignedTime
    detour: Detour
    stop: Stop
    begin_anew: Callable[[], None]
    started_at: float

    def fulfil(self, wish: Wish) -> Future[object]:
        """Begin; the answer comes in the future. To be called on the keeper's thread."""
        match wish:
            case RollBack():
                return self.delivery.ask(lambda delivery: self._roll_back(delivery, wish))
            case ImportBundle():
                return self.delivery.ask(lambda delivery: self._import(delivery, Path(wish.folder)))
            case Flush():
                return self.delivery.ask(self._flush)
            case Reload():
                return _done(self._reload)
            case Load():
                return _done(lambda: self.workers.load(wish.model))
            case Unload():
                return _done(lambda: self.workers.unload(wish.model))
            case Live():
                return _done(self._live)

    def _roll_back(self, delivery: Delivery, wish: RollBack) -> object:
        delivery.roll_back(wish.model, wish.reason or "a person at the device said so")
        state = delivery.machine(wish.model).state()
        delivery.hurry()
        return {"model": wish.model, "leaving_counter": state.counter}

    def _flush(self, delivery: Delivery) -> object:
        delivery.hurry()
        return self.exchange.spool.backlog()

    def _import(self, delivery: Delivery, folder: Path) -> object:
        delivery.measuring.give_way()
        bundle = BundleFolder(folder)
        kept = repository(self.root, bundle, self.exchange.floors)
        reader = Reader(bundle, kept, self.identity, self.settings, self.time)
        with self.detour.over(bundle):
            return Carry(reader, machine_of=delivery.machine, models=delivery.models(), wait=self.stop.wait).run()

    def _reload(self) -> list[str]:
        """The names of settings that have changed; the agent starts anew where there are any."""
        wanted = settings.load(self.root)
        names = [name for name in wanted.__struct_fields__ if getattr(wanted, name) != getattr(self.settings, name)]
        if names:
            self.begin_anew()
        return names

    def _live(self) -> LiveState:
        allowed = self.allowance.state()
        waits = [leave for leave in (allowed.downloads, allowed.switches) if not leave.is_given]
        return LiveState(
            pid=os.getpid(),
            agent_version=__version__,
            started_at=self.started_at,
            rss_bytes=_rss_bytes(),
            contacted_at=self.exchange.contacted_at,
            next_check_in_s=self.check_ins.remaining_s(),
            budget_bytes=allowed.budget_bytes,
            used_bytes=allowed.urgent_bytes + allowed.bulk_bytes,
            waits=(*(f"{leave.reason}, {leave.wait_s:.0f} s more" for leave in waits), *self.delivery.waits()),
            turned_away=self.delivery.turned_away,
            measures=self.delivery.measuring.present,
            workers=tuple(_facts(state) for state in self.workers.states()),
        )


def _facts(state: WorkerState) -> WorkerFacts:
    fields = set(WorkerFacts.__struct_fields__)
    known = {name: value for name, value in msgspec.structs.asdict(state).items() if name in fields}
    return WorkerFacts(**known)


def _rss_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _done(deed: Callable[[], object]) -> Future[object]:
    future: Future[object] = Future()
    try:
        future.set_result(deed())
    except Exception as error:
        future.set_exception(error)
    return future
