"""Delivery: check in, drive the models' machines, send what waits, and never give up.

It may wait for a slow hub for minutes, and does so on a thread of its own.
"""

from __future__ import annotations

from edgewright.agent.disk import Sampling
from edgewright.agent.link import Chance, Exchange, Schedule
from edgewright.agent.machine import Equipment, Machine
from edgewright.agent.system import Stop, logs
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.order import Install, Order

TRIAL_POLL_S = 0.05


class Delivery:
    """Brings what shall run on this device. That the hub is away never ends it."""

    def __init__(
        self, exchange: Exchange, equipment: Equipment, check_ins: Schedule, *, chance: Chance, stop: Stop
    ) -> None:
        self._exchange = exchange
        self._equipment = equipment
        self._check_ins = check_ins
        self._chance = chance
        self._stop = stop
        self._order: Order | None = None
        self._machines: dict[str, Machine] = {}
        self._schedules: dict[str, Schedule] = {}

    def run(self) -> None:
        """Work until asked to stop."""
        failures = self._new_schedule()
        while not self._stop.is_requested:
            try:
                self.turn()
            except Exception as error:  # whatever it is, a device without delivery can never be mended
                logs.warn("delivery has failed", kind=type(error).__name__, reason=str(error))
                failures.fail()
                self._stop.wait(failures.remaining_s())
            else:
                failures.succeed(0.0)
        for machine in self._machines.values():
            machine.stop()

    def turn(self) -> None:
        """One turn of the loop: move every machine, talk to the hub if it is time, wait until something is due."""
        is_busy = False
        for model in self._models():
            is_busy |= self._when_due(model)
        if self._check_ins.is_due():
            self._talk()
        elif not is_busy:
            self._stop.wait(self._pause_s())

    def _models(self) -> list[str]:
        folder = self._equipment.root / "models"
        kept = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        ordered = {install.model for install in self._order.installs} if self._order else set()
        return sorted(name for name in kept | ordered if is_plain_name(name))

    def _when_due(self, model: str) -> bool:
        """Move one model; whatever goes wrong with it is tried again later, and leaves the others alone."""
        schedule = self._schedules.setdefault(model, self._new_schedule())
        if not schedule.is_due():
            return False
        try:
            is_busy = self._move(model)
        except NotAllowed as error:
            logs.warn("the hub refuses this device", model=model, reason=error.message)
            schedule.give_up()
        except Exception as error:  # a fault in one model's install must not take the others' supervisor down
            logs.warn("an install cannot go on for now", model=model, kind=type(error).__name__, reason=str(error))
            schedule.fail()
        else:
            schedule.succeed(0.0)
            return is_busy
        return False

    def _move(self, model: str) -> bool:
        if model not in self._machines:
            self._machines[model] = Machine(model, self._equipment)
        machine = self._machines[model]
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
        for rollback in self._order.rollbacks:
            if rollback.model == machine.model:
                machine.give_up(rollback)
        for install in self._order.installs:
            if install.model == machine.model:
                self._offer(machine, install)

    def _offer(self, machine: Machine, install: Install) -> None:
        machine.supersede(install.counter)
        if not machine.wants(install):
            return
        try:
            manifest, data = self._exchange.package(install)
        except HostileInput as error:
            machine.refuse(install, error.message)
        else:
            machine.offer(install, manifest, data)

    def _talk(self) -> None:
        """Check in and send; whatever the hub answers, the device goes on."""
        try:
            order = self._exchange.check_in(
                [machine.state() for machine in self._machines.values()], self._chance.nonce(), self._equipment.pace()
            )
            if order is not None:
                self._order = order
                logs.say("order received", installs=len(order.installs), rollbacks=len(order.rollbacks))
            self._exchange.send(lambda: self._stop.is_requested)
        except NotAllowed as error:
            logs.warn("the hub refuses this device", reason=error.message)
            self._check_ins.give_up()
        except (EdgewrightError, OSError) as error:
            is_away = isinstance(error, Unreachable)
            logs.warn("the hub is not reachable" if is_away else "the hub is not believed", reason=str(error))
            self._check_ins.fail()
        else:
            self._check_ins.succeed(self._poll_s())

    def _poll_s(self) -> float:
        ordered = self._order.poll_s if self._order else None
        return ordered if ordered is not None and ordered > 0 else self._equipment.settings.poll_s

    def _pause_s(self) -> float:
        is_trying = any(not machine.is_idle for machine in self._machines.values())
        return min(TRIAL_POLL_S, self._check_ins.remaining_s()) if is_trying else self._check_ins.remaining_s()

    def _new_schedule(self) -> Schedule:
        return Schedule(self._equipment.monotonic, self._chance, self._equipment.settings.longest_wait_s)
