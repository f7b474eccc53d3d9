"""Delivery: check in, drive the models' machines, send what waits, and never give up.

It may wait for a slow hub for minutes, and does so on a thread of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from edgewright.agent import states
from edgewright.agent.bench import Benches
from edgewright.agent.disk import Boots, Sampling
from edgewright.agent.link import Chance, Exchange, Schedule, TurnedAway
from edgewright.agent.machine import Equipment, LeaseOver, Machine
from edgewright.agent.states import Crash
from edgewright.agent.supervisor.inbox import Inbox
from edgewright.agent.supervisor.life import Life
from edgewright.agent.supervisor.measuring import Measuring
from edgewright.agent.system import Bell, Stop, logs
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, NotFound, Unreachable
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.order import Install, Order
from edgewright.contract.report import CheckIn

MAX_CRASHES = 64  # that wait to be noted
LOOK_S = 5.0  # how often to look at what runs for an install, should nothing say that it is time

T = TypeVar("T")


class Delivery:
    """Brings what shall run on this device. That the hub is away never ends it.

    `bell` wakes it and makes it look: at `crashes()` of what serves, and at what it was asked for. `tend` looks after
    what waits for the hub, without waiting itself.
    """

    def __init__(
        self,
        exchange: Exchange,
        equipment: Equipment,
        check_ins: Schedule,
        benches: Benches,
        *,
        boots: Boots,
        chance: Chance,
        stop: Stop,
        bell: Bell,
        crashes: Callable[[], Iterable[Crash]] = tuple,
        tend: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._equipment = equipment
        self._check_ins = check_ins
        self._boots = boots
        self._chance = chance
        self._stop = stop
        self._bell = bell
        self._crashes = crashes
        self._tend = tend
        self._crashed: deque[Crash] = deque(maxlen=MAX_CRASHES)
        self._inbox: Inbox[Delivery] = Inbox(bell)
        self._order: Order | None = None
        self._machines: dict[str, Machine] = {}
        self._schedules: dict[str, Schedule] = {}
        self._leases: dict[str, float | None] = {}  # by model: the latest that was over, and for which a hurry was made
        self._life = Life(chance.nonce(), equipment.measure, equipment.monotonic)
        self.turned_away = ""  # why the hub will not have this device; '' where it does
        self.measuring = Measuring(benches, self._new_schedule(), hurry=check_ins.hurry)

    def run(self) -> None:
        """Work until asked to stop."""
        failures = self._new_schedule()
        while not self._stop.is_requested:
            try:
                self.turn()
            except Exception as error:  # whatever it is: a device without delivery could never be mended
                logs.warn("delivery has failed", kind=type(error).__name__, reason=str(error))
                failures.fail()
                self._stop.wait(failures.remaining_s())
            else:
                failures.succeed(0.0)
        for machine in self._machines.values():
            self._guarded(machine.model, machine.stop)
        self.measuring.stop()
        self._boots.settle()

    def turn(self) -> None:
        """One turn of the loop: move every machine, talk to the hub if it is time, wait until something is due."""
        self._bell.hush()
        self._inbox.do_all(self)
        self._crashed.extend(self._crashes())
        models = self.models()
        for model in models:  # all are known to those who serve before the first may take its time
            if model not in self._machines:
                self._when_due(model, partial(self.machine, model))
        self._blame(models)
        is_busy = False
        for model in models:
            is_busy |= self._when_due(model, partial(self._move, model)) is True
        if self._equipment.uptime_s() >= states.SETTLED_S:
            self._boots.settle()
        is_busy |= self.measuring.turn(is_calm=all(machine.is_idle for machine in self._machines.values()))
        self._tend()
        if self._check_ins.is_due():
            self._talk()
        elif not is_busy:
            self._stop.wait(self._pause_s(), self._wakers())

    def ask(self, deed: Callable[[Delivery], T]) -> Future[T]:
        """Have something done on this thread, from any other: between two turns; a download gives way for it."""
        return self._inbox.ask(deed)

    def models(self) -> list[str]:
        """The models that are on this device, or shall be."""
        folder = self._equipment.root / "models"
        kept = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        ordered = {install.model for install in self._order.installs} if self._order else set()
        return sorted(name for name in kept | ordered if is_plain_name(name))

    def machine(self, model: str) -> Machine:
        """The one machine of a model, which this thread alone may use; raises OSError where the disk gives trouble."""
        if model not in self._machines:
            machine = self._machines[model] = Machine(model, self._equipment)
            if self._boots.went_down:
                machine.suspect()
        return self._machines[model]

    def roll_back(self, model: str, reason: str) -> None:
        """Begin to go back to the spare slot's package; raises NotFound, and NothingToGoBackTo."""
        if model not in self.models():
            raise NotFound(f"there is no model '{model}' on this device", field="model")
        self.machine(model).go_back(reason)
        self._schedule(model).succeed(0.0)

    def waits(self) -> tuple[str, ...]:
        """Why installs do not go on, by what their orders say. To be asked on any thread."""
        return tuple(filter(None, (machine.wait for machine in list(self._machines.values()))))

    def hurry(self) -> None:
        """Check in with the hub and send what waits, unless it has just failed."""
        self._check_ins.hurry()

    def _blame(self, models: Collection[str]) -> None:
        """Lay the crashes to their packages, also while a model's install waits for a hub that is away.

        What cannot be noted, as the disk is full, is noted later.
        """
        for _ in range(len(self._crashed)):
            crash = self._crashed.popleft()
            if crash.model not in models:
                continue
            if not self._guarded(crash.model, partial(self._lay, crash)):
                self._crashed.append(crash)

    def _lay(self, crash: Crash) -> None:
        self.machine(crash.model).blame(crash)
        self._schedule(crash.model).succeed(0.0)

    def _guarded(self, model: str, deed: Callable[[], object]) -> bool:
        """Do something with one model; whether it was done. Its trouble is not the others'."""
        try:
            deed()
        except Exception as error:
            logs.warn("a model is in trouble", model=model, kind=type(error).__name__, reason=str(error))
            return False
        return True

    def _when_due(self, model: str, deed: Callable[[], T]) -> T | None:
        """Do something with one model; whatever goes wrong is tried again later, and leaves the others alone."""
        schedule = self._schedule(model)
        if not schedule.is_due():
            return None
        try:
            done = deed()
        except NotAllowed as error:
            logs.warn("the hub refuses this device", model=model, reason=error.message)
            schedule.give_up(error)
        except LeaseOver as error:
            schedule.fail(error)
            self._ask_again(model, error)
        except Exception as error:  # a fault in one model's install must not take the others' down
            logs.warn("an install cannot go on for now", model=model, kind=type(error).__name__, reason=str(error))
            schedule.fail(error)
        else:
            schedule.succeed(0.0)
            return done
        return None

    def _move(self, model: str) -> bool:
        machine = self.machine(model)
        self._apply_order(machine)
        was_idle = machine.is_idle
        is_busy = machine.step()
        if machine.is_idle and not was_idle:
            self._check_ins.hurry()  # its report waits
        return is_busy

    def _apply_order(self, machine: Machine) -> None:
        """What the present order asks of a model. Orders are applied again and again: what is done is left alone."""
        if self._order is None:
            return
        collects = [collect for collect in self._order.collects if collect.model == machine.model]
        machine.collect(Sampling(request=collects[0].request, budget=collects[0].budget) if collects else None)
        self._heed(machine, self._order)
        for install in self._order.installs:
            if install.model == machine.model:
                self._offer(machine, install)

    def _heed(self, machine: Machine, order: Order) -> None:
        """What an order says of what is here already. Where that changes anything, nothing waits any longer."""
        before = machine.record
        for rollback in order.rollbacks:
            if rollback.model == machine.model:
                machine.give_up(rollback)
        for install in order.installs:
            if install.model == machine.model:
                machine.heed(install)
        if machine.record is not before:
            self._schedule(machine.model).succeed(0.0)

    def _ask_again(self, model: str, over: LeaseOver) -> None:
        """Ask the hub for another lease, once for each that was over: it may mean it."""
        logs.say("a lease is over", model=model, lease_until=over.lease_until)
        if self._leases.get(model) != over.lease_until:
            self._leases[model] = over.lease_until
            self._check_ins.hurry()

    def _offer(self, machine: Machine, install: Install) -> None:
        if not machine.wants(install):
            return
        try:
            manifest, data = self._exchange.package(install)
        except HostileInput as error:
            machine.refuse(install, error.message)
        else:
            self.measuring.give_way()  # also its room on the disk, before that is counted
            machine.offer(install, manifest, data)

    def _talk(self) -> None:
        """Check in and send; whatever the hub answers, the device goes on."""
        try:
            state = self._life.sign(self._check_in())
            order = self._exchange.check_in(state)
            self._life.answered(state)
            self.turned_away = ""
            if order is not None:
                self._follow(order)
            self._exchange.send(lambda: self._stop.is_requested)
        except NotAllowed as error:
            logs.warn("the hub refuses this device", reason=error.message)
            self.turned_away = error.in_words if isinstance(error, TurnedAway) else error.message
            self._check_ins.give_up(error)
        except (EdgewrightError, OSError) as error:
            is_away = isinstance(error, Unreachable)
            logs.warn("the hub is not reachable" if is_away else "the hub is not believed", reason=str(error))
            self._check_ins.fail(error)
        else:
            self._check_ins.succeed(self._poll_s())

    def _check_in(self) -> CheckIn:
        machines = self._machines.values()
        return CheckIn(
            nonce=self._chance.nonce(),
            models=tuple(machine.state() for machine in machines),
            pace=self._equipment.pace(),
            deferrals=tuple(machine.deferral for machine in machines if machine.deferral is not None),
        )

    def _follow(self, order: Order) -> None:
        """From now on, that order holds."""
        logs.say("order received", installs=len(order.installs), rollbacks=len(order.rollbacks))
        self._order = order
        for machine in self._machines.values():
            self._guarded(machine.model, partial(self._heed, machine, order))
        self.measuring.follow(order.benches)

    def _poll_s(self) -> float:
        ordered = self._order.poll_s if self._order else None
        return ordered if ordered is not None and ordered > 0 else self._equipment.settings.poll_s

    def _pause_s(self) -> float:
        """Until something is due: the next check-in, another try, a look at what runs, or the hour after a start."""
        waits_s = [self._check_ins.remaining_s(), self.measuring.pause_s()]
        if (uptime_s := self._equipment.uptime_s()) < states.SETTLED_S:
            waits_s.append(states.SETTLED_S - uptime_s)
        for model in self.models():
            machine, schedule = self._machines.get(model), self._schedule(model)
            if not schedule.is_due():
                waits_s.append(schedule.remaining_s())
            elif machine is None or not machine.is_idle:
                waits_s.append(LOOK_S)
            else:
                waits_s.append(machine.settles_in_s)
        return min(waits_s)

    def _wakers(self) -> list[int]:
        """What wakes this thread; of a machine that has to wait after a failure, nothing."""
        due = [machine for model, machine in self._machines.items() if self._schedule(model).is_due()]
        return [self._bell.fileno(), *(fd for machine in due for fd in machine.waits_on()), *self.measuring.waits_on()]

    def _schedule(self, model: str) -> Schedule:
        return self._schedules.setdefault(model, self._new_schedule())

    def _new_schedule(self) -> Schedule:
        return Schedule(self._equipment.monotonic, self._chance, self._equipment.settings.longest_wait_s)
