"""The lives of a device's agent, and when they tell that one key is in two places: pure.

Every run of an agent draws a life at random and numbers its check-ins, its turns, upwards. So a device writes a line
of lives, each after the other, with rising turns. A copy of its key elsewhere writes between them: a life goes on
though another has begun since, or turns begin again lower down while the higher ones go on.

What one device alone does must never alarm, however its requests fare: reboots and restored disks begin a life; a
reply that is lost, a request that is repeated or overtaken, come near a turn that is known; requests that a network
held up come within LATE_S of the moment at which the next life began; a memory that is restored begins lower down
once, and the higher turns are silent from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

LATE_S = 300.0
"""How long a request may be under way; longer than anybody waits for its reply."""
JUMP = 16
"""So many turns in a row may get lost, or be overtaken, on the way."""
RETURNS = 3
"""How often a line must go on after a later one before it counts as another place."""
MAX_LINES = 16


class Line(msgspec.Struct, frozen=True, array_like=True):
    """Check-ins with rising turns of one life. `returns`: how often it went on although a later line had begun."""

    life: str
    turn: int
    began_at: float
    returns: int = 0


Lines = tuple[Line, ...]
"""What is remembered of a device, the line that was heard last first."""


def life_key(life: str) -> str:
    """What is kept of a life's name."""
    return blake2b(life.encode(), digest_size=8).hexdigest()


def is_next(turn: int, last_turn: int) -> bool:
    """Whether a turn simply follows the last of its life: nothing to think about."""
    return last_turn < turn <= last_turn + JUMP


def caught_up(lines: Sequence[Line], life: str, turn: int) -> Lines:
    """The lines with the newest turn that a hub's memory knows of the life that it heard last."""
    if lines and lines[0].life == life and lines[0].turn < turn:
        return (msgspec.structs.replace(lines[0], turn=turn), *lines[1:])
    return tuple(lines)


def hear(lines: Sequence[Line], life: str, turn: int, now: float) -> Lines:
    """What is remembered after a check-in of `life` (its key) with `turn` at `now`, in seconds of the hub's clock."""
    going_on = _continued(lines, life, turn)
    if going_on is not None:
        return _go_on(lines, going_on, turn, now)
    if any(line.life == life and abs(line.turn - turn) <= JUMP for line in lines):
        return tuple(lines)  # repeated or overtaken
    return (Line(life, turn, now), *lines)[:MAX_LINES]


def cloned(lines: Sequence[Line]) -> str:
    """Why these lines can only come from two places; '' if one device may have written them."""
    often = [line for line in lines if line.returns >= RETURNS]
    if not often:
        return ""
    lives = len({line.life for line in lines})
    kind = "lives of its agent take turns" if lives > 1 else "turns of one life go on at two places"
    return f"its key is in two places: {kind} (last: turn {often[0].turn}, gone on {often[0].returns} times)"


def _continued(lines: Sequence[Line], life: str, turn: int) -> Line | None:
    """The line that this turn follows: one close below it, or, after a long silence, the one heard last."""
    below = [line for line in lines if line.life == life and line.turn < turn]
    return next(iter([line for line in below if is_next(turn, line.turn)] or below), None)


def _go_on(lines: Sequence[Line], line: Line, turn: int, now: float) -> Lines:
    heard_since = lines[: lines.index(line)]
    is_back = any(other.began_at > line.began_at and now - other.began_at > LATE_S for other in heard_since)
    moved = Line(line.life, turn, line.began_at, line.returns + is_back)
    others = [other for other in lines if other is not line and not _is_passed(other, moved)]
    return (moved, *others)


def _is_passed(other: Line, line: Line) -> bool:
    """Whether another line of the same life is now behind this one, which began later: they are one."""
    return other.life == line.life and other.turn <= line.turn and other.began_at <= line.began_at
