"""The keeper: one loop over the parts of the agent that must never wait for anybody."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from edgewright.agent.link import Chance, Schedule
from edgewright.agent.system import Part, Stop, logs

LONGEST_BACK_OFF_S = 60.0


class Keeper:
    """Gives every part a turn when one of them is due, or can read from what it waits on, until a stop is requested.

    A part that raises is logged and has to wait, longer with every time in a row; the others go on.
    """

    def __init__(self, parts: Sequence[Part], stop: Stop, monotonic: Callable[[], float], chance: Chance) -> None:
        self._seats = [_Seat(part, Schedule(monotonic, chance, LONGEST_BACK_OFF_S)) for part in parts]
        self._stop = stop

    def run(self) -> None:
        """Work until asked to stop, then let every part go."""
        while not self._stop.is_requested:
            self.turn()
        for seat in self._seats:
            seat.close()

    def turn(self) -> None:
        """Give every part its turn, then wait until one needs another."""
        due_s = min((seat.turn() for seat in self._seats), default=math.inf)
        self._stop.wait(due_s, [fd for seat in self._seats for fd in seat.waits_on()])


class _Seat:
    """One part, and whether it is being left alone because it has failed."""

    def __init__(self, part: Part, schedule: Schedule) -> None:
        self._part = part
        self._schedule = schedule

    def turn(self) -> float:
        """Seconds until the part wants another turn."""
        if not self._schedule.is_due():
            return self._schedule.remaining_s()
        try:
            due_s = self._part.turn()
        except Exception as error:  # one part's fault must not take the others down
            return self._fail(error)
        self._schedule.succeed(0.0)
        return due_s

    def waits_on(self) -> Iterable[int]:
        """What wakes the part; nothing while it is left alone."""
        if not self._schedule.is_due():
            return ()
        try:
            return tuple(self._part.waits_on())
        except Exception as error:
            self._fail(error)
            return ()

    def close(self) -> None:
        """Let the part go, whatever it says to that."""
        try:
            self._part.close()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> float:
        self._schedule.fail()
        part = type(self._part).__name__
        logs.warn("a part of the agent has failed", part=part, kind=type(error).__name__, reason=str(error))
        return self._schedule.remaining_s()
