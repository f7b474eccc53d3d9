"""All serving workers of a device, as one part of the supervisor's loop: who serves, who loads, who gives way."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from edgewright.agent.disk import Settings
from edgewright.agent.disk.remains import find_dead
from edgewright.agent.disk.vitals import FOLDER
from edgewright.agent.link import Chance
from edgewright.agent.states import Active, Crash
from edgewright.agent.system import Bell, logs
from edgewright.agent.system.cgroup import Groups
from edgewright.agent.system.parts import DEAF_S
from edgewright.agent.workers.admission import Answer, Decision, Holding
from edgewright.agent.workers.callers import TurnedAway
from edgewright.agent.workers.child import COMMAND, Ward
from edgewright.agent.workers.memory import Memory
from edgewright.agent.workers.service import Means, Service
from edgewright.agent.workers.states import NEXT, Event, Phase
from edgewright.contract.errors import NotFound

SCAN_S = 30.0
WAIT_S = 0.5
RETRY_AFTER_S = 5.0
PATIENCE_S = 2.0  # callers wait in the backlog for so long before they are turned away
STOP_S = 5.0
MAX_CRASHES_KEPT = 1000


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """How one model is served. `reason` tells of the latest crash, or why it is not served."""

    model: str
    phase: Phase
    version: int = 0  # of what serves, or loads; 0 for nothing
    manifest_sha256: str = ""
    is_standing_in: bool = False  # the spare package serves in the active one's stead
    pid: int = 0
    rss_bytes: int = 0
    need_bytes: int = 0
    requests: int = 0
    in_flight_s: float = 0.0
    priority: int = 0
    crashes: int = 0
    reason: str = ""


class Workers:
    """A Part. `follow`, `crashes` and `states` may be called by any thread; `bell` rings when there are crashes."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        *,
        monotonic: Callable[[], float],
        chance: Chance,
        bell: Bell,
        command: Sequence[str] = COMMAND,
        groups: Groups | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._bell = bell
        self._memory = Memory(root, settings.memory_max_bytes)
        self._means = Means(
            root=root,
            settings=settings,
            memory=self._memory,
            monotonic=monotonic,
            chance=chance,
            crashed=self._crashed,
            command=command,
            groups=groups,
        )
        self._orders: deque[tuple[str, Active | None, Active | None, int]] = deque()
        self._called = Bell()  # by who orders
        self._crashes: deque[Crash] = deque(maxlen=MAX_CRASHES_KEPT)
        self._services: dict[str, Service] = {}
        self._waiting: set[str] = set()  # for memory that others are to give back
        self._turned_away = TurnedAway(monotonic)
        self._deaf_until = -math.inf  # where there is no descriptor to hear a caller with
        self._states: tuple[WorkerState, ...] = ()
        self._vitals = root / FOLDER
        self._scan_at = monotonic() + SCAN_S
        self._scan(are_workers_gone=True)

    def follow(self, model: str, active: Active | None, spare: Active | None, priority: int) -> None:
        """Serve this package of the model from the keeper's next turn on; `spare` may stand in. None: serve nothing."""
        self._orders.append((model, active, spare, priority))
        self._called.ring()

    def load(self, model: str) -> None:
        """Start the model's worker as if somebody had called. On the keeper's thread; raises NotFound."""
        self._service(model).is_asked = True
        self._called.ring()

    def unload(self, model: str) -> None:
        """Let the model's worker answer what is in flight and end; the next caller starts another. As `load`."""
        service = self._service(model)
        service.is_asked = False
        if Event.UNUSED in NEXT[service.phase]:
            service.happen(Event.UNUSED)
        self._called.ring()

    def crashes(self) -> list[Crash]:
        """What has crashed since the last call: workers' packages, and those that have ended apps."""
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                taken.append(self._crashes.popleft())
        return taken

    def states(self) -> list[WorkerState]:
        """How each model was served at the last turn."""
        return list(self._states)

    def waits_on(self) -> Iterable[int]:
        """Orders, callers whom nobody serves, and what workers say."""
        yield self._called.fileno()
        yield from self._turned_away.waits_on()
        for service in self._services.values():
            yield from (ward.worker.fd for ward in service.wards if not ward.worker.is_silent)
            if service.listener is not None and self._is_open(service):
                yield service.listener.fileno()

    def turn(self) -> float:
        """Follow orders, look after every worker, start those that are called; the seconds until the next turn."""
        self._called.hush()
        self._take_orders()
        next_s = [service.turn() for service in self._services.values() if service.wants_turns]
        self._admit()
        next_s += [WAIT_S] if self._waiting else []
        next_s += [service.turn() for service in self._services.values() if service.loading is not None]
        next_s.append(self._turned_away.turn())
        next_s += [self._deaf_s()] if self._deaf_s() > 0 else []
        if self._monotonic() >= self._scan_at:
            self._scan()
        self._services = {name: kept for name, kept in self._services.items() if not kept.is_over}
        self._states = tuple(self._state(service) for _, service in sorted(self._services.items()))
        return min([*next_s, self._scan_at - self._monotonic()], default=math.inf)

    def close(self) -> None:
        """End all workers; they have some seconds to answer what is in flight."""
        ends_at = self._monotonic() + STOP_S
        for ward in [ward for service in self._services.values() for ward in service.wards]:
            ward.worker.stop()
        for service in self._services.values():
            service.close(ends_at)
        self._turned_away.close()
        # The bell stays: delivery may still order something, and ring it.

    def _take_orders(self) -> None:
        while self._orders:
            model, active, spare, priority = self._orders.popleft()
            if active is None and model not in self._services:
                continue
            service = self._services.setdefault(model, Service(model, self._means))
            service.follow(active, spare, priority)
            service.turn()

    def _service(self, model: str) -> Service:
        if model not in self._services:
            known = ", ".join(sorted(self._services)) or "none"
            raise NotFound(f"no model '{model}' is served here; there are: {known}", field="model")
        return self._services[model]

    def _admit(self) -> None:
        """Give memory to those who need a worker, the highest priority first."""
        self._waiting.clear()
        needing = [service for service in self._services.values() if service.needs_worker()]
        promised: list[Holding] = []  # to those who wait, so that nobody after them takes it
        for service in sorted(needing, key=lambda service: -service.priority):
            wanted = service.wanted()
            if wanted is None:
                continue
            holdings = [*self._holdings(), *promised]
            decision = self._memory.decide(service.model, wanted, service.priority, holdings)
            for model in decision.give_way:
                self._services[model].happen(Event.UNUSED)
            if decision.answer is Answer.ADMITTED:
                service.happen(Event.SUCCEEDED if service.phase is Phase.READY else Event.CALLED)
            elif decision.answer is Answer.WAIT:
                self._waiting.add(service.model)
                promised.append(self._promise(service, wanted))
            else:
                self._refuse(service, wanted, decision, holdings)
        for service in self._services.values():
            if service.rest_s() > PATIENCE_S:
                self._turn_away(service, service.reason, service.rest_s())

    def _refuse(self, service: Service, wanted: Active, decision: Decision, holdings: Sequence[Holding]) -> None:
        """There is no memory. One that serves gives way to its successor where that will do, and goes on if not."""
        if service.phase is Phase.READY:
            others = [held for held in holdings if held.model != service.model]
            alone = self._memory.decide(service.model, wanted, service.priority, others)
            if alone.answer is Answer.ADMITTED:
                service.happen(Event.SUCCEEDED_ALONE)
            service.reason = f"its successor has no memory: {decision.reason}"
            return
        if service.reason != decision.reason:
            logs.warn("there is no memory for a model", model=service.model, reason=decision.reason)
        service.reason = decision.reason
        self._turn_away(service, decision.reason, RETRY_AFTER_S)

    def _turn_away(self, service: Service, reason: str, retry_after_s: float) -> None:
        listener = service.listener
        while listener is not None and self._turned_away.has_room:
            try:
                caller = listener.accept()
            except OSError:
                self._deaf_until = self._monotonic() + DEAF_S
                return
            if caller is None:
                return
            self._turned_away.take(caller, f"the model {service.model} is not served now: {reason}", retry_after_s)

    def _is_open(self, service: Service) -> bool:
        """Whether somebody who calls this model is to wake the keeper."""
        if service.model in self._waiting or not self._turned_away.has_room or self._deaf_s() > 0:
            return False
        return service.phase is Phase.IDLE or service.rest_s() > PATIENCE_S

    def _deaf_s(self) -> float:
        return self._deaf_until - self._monotonic()

    def _holdings(self) -> list[Holding]:
        now = self._monotonic()
        return [self._holding(service, ward, now) for service in self._services.values() for ward in service.wards]

    def _holding(self, service: Service, ward: Ward, now: float) -> Holding:
        return Holding(
            model=service.model,
            held_bytes=self._memory.need_bytes(service.model, ward.package),
            priority=service.priority,
            last_used_s=ward.last_used_at,
            is_busy=service.is_always or ward.is_in_use(now),
            is_leaving=ward in service.leaving or service.phase is Phase.REPLACING,
            is_settled=ward is not service.loading,
        )

    def _promise(self, service: Service, wanted: Active) -> Holding:
        need_bytes = self._memory.need_bytes(service.model, wanted)
        return Holding(service.model, need_bytes, service.priority, is_busy=True)

    def _crashed(self, crash: Crash) -> None:
        self._crashes.append(crash)
        self._bell.ring()

    def _scan(self, *, are_workers_gone: bool = False) -> None:
        """Look for apps that a model has ended."""
        self._scan_at = self._monotonic() + SCAN_S
        for dead in find_dead(self._vitals, are_workers_gone=are_workers_gone):
            logs.warn("a model may have ended an app", model=dead.model, reason=dead.reason)
            self._crashed(Crash(model=dead.model, manifest_sha256=dead.manifest_sha256, reason=dead.reason))

    def _state(self, service: Service) -> WorkerState:
        ward = service.serving or service.loading
        sample = ward.last if ward else None
        wanted = service.wanted()
        return WorkerState(
            model=service.model,
            phase=service.phase,
            version=ward.package.version if ward else 0,
            manifest_sha256=ward.package.manifest_sha256 if ward else "",
            is_standing_in=wanted != service.active,
            pid=ward.worker.pid if ward else 0,
            rss_bytes=sample.rss_bytes if sample else 0,
            need_bytes=self._memory.need_bytes(service.model, ward.package) if ward else 0,
            requests=sample.requests if sample else 0,
            in_flight_s=sample.in_flight_s or 0.0 if sample else 0.0,
            priority=service.priority,
            crashes=service.crashes,
            reason=service.reason,
        )
