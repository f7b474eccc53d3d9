"""Benches as delivery drives them: their turns come while nothing is installed, and their trouble is their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edgewright.agent.bench import Benches
from edgewright.agent.link import Schedule
from edgewright.agent.system import logs
from edgewright.contract.errors import NotAllowed
from edgewright.contract.order import Bench

LOOK_S = 5.0  # how often to look at what is measured, should nothing say that it is time


class Measuring:
    """Nothing here raises. `hurry` is called once a report waits for the hub."""

    def __init__(self, benches: Benches, schedule: Schedule, hurry: Callable[[], None]) -> None:
        self._benches = benches
        self._schedule = schedule
        self._hurry = hurry

    @property
    def present(self) -> str:
        """The bench that is on, in words; '' for none."""
        return self._benches.present

    def follow(self, ordered: Sequence[Bench]) -> None:
        """Hear what the present order asks for."""
        self._try(lambda: self._benches.follow(ordered))

    def turn(self, *, is_calm: bool) -> bool:
        """Take the next step, if it is time and `is_calm`; True: there is more to do at once."""
        if not is_calm:
            self.give_way()
            return False
        if not self._schedule.is_due() or self._benches.is_idle:
            return False
        return self._try(self._step) is True

    def give_way(self) -> None:
        """Leave what is measured, and the room that it takes."""
        self._try(self._benches.give_way)

    def stop(self) -> None:
        """End what runs; it goes on with the next start."""
        self._try(self._benches.stop)

    def pause_s(self) -> float:
        """Until there is something to do."""
        if self._benches.is_idle:
            return math.inf
        return LOOK_S if self._schedule.is_due() else self._schedule.remaining_s()

    def waits_on(self) -> tuple[int, ...]:
        """What can be read once it is worth a turn; nothing while it has to wait after a failure."""
        return self._benches.waits_on() if self._schedule.is_due() else ()

    def _step(self) -> bool:
        is_busy = self._benches.step()
        if self._benches.is_idle:
            self._hurry()
        return is_busy

    def _try(self, deed: Callable[[], bool | None]) -> bool | None:
        """Do something; what goes wrong is tried again later."""
        try:
            done = deed()
        except NotAllowed as error:
            logs.warn("the hub refuses this device", reason=error.message)
            self._schedule.give_up(error)
        except Exception as error:  # a bench must never take the rest of the agent down
            logs.warn("a bench cannot go on for now", kind=type(error).__name__, reason=str(error))
            self._schedule.fail(error)
        else:
            self._schedule.succeed(0.0)
            return done
        return None
