"""What serves one model: one table of phases, and the rule which package is to serve. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from edgewright.agent.states import MAX_CRASHES, Active


class Phase(StrEnum):
    """Where the serving of one model stands. Workers that drain beside a successor are in no phase."""

    IDLE = "idle"  # the socket listens, no worker runs
    STARTING = "starting"  # a worker loads, none serves
    READY = "ready"  # one serves
    SWAPPING = "swapping"  # one serves, its successor loads
    REPLACING = "replacing"  # one drains, and its successor waits for the memory that it holds
    BACKING_OFF = "backing_off"  # one has crashed, the next one waits
    GONE = "gone"  # the model is served no more


class Event(StrEnum):
    """What happens to it."""

    CALLED = "called"  # somebody connects, or the model is served always; and there is memory
    WARM = "warm"  # the worker that loads is ready
    BROKE = "broke"  # the worker that loads has ended
    DIED = "died"  # the worker that serves has ended
    CHANGED = "changed"  # another package is to serve than the one that loads, or that has crashed
    SUCCEEDED = "succeeded"  # another one is to serve than the one that serves, and there is memory for two workers
    SUCCEEDED_ALONE = "succeeded_alone"  # and there is not
    UNUSED = "unused"  # nobody has asked for long, or others need the memory more
    DRAINED = "drained"  # the worker that gave way has ended
    RESTED = "rested"  # it has backed off for long enough
    REMOVED = "removed"  # nothing is to serve any more


class Act(StrEnum):
    """What is to be done about it, in the order in which a row names it."""

    START = "start"  # start a worker with the package that is to serve
    PROMOTE = "promote"  # the worker that loads is the one that serves from now on
    DRAIN = "drain"  # ask the worker that serves to answer what is in flight and to end
    ABANDON = "abandon"  # kill the worker that loads
    REST = "rest"  # set the time until which it backs off
    CLOSE = "close"  # stop listening


NEXT: dict[Phase, dict[Event, tuple[Phase, tuple[Act, ...]]]] = {
    Phase.IDLE: {
        Event.CALLED: (Phase.STARTING, (Act.START,)),
        Event.REMOVED: (Phase.GONE, (Act.CLOSE,)),
    },
    Phase.STARTING: {
        Event.WARM: (Phase.READY, (Act.PROMOTE,)),
        Event.BROKE: (Phase.BACKING_OFF, (Act.REST,)),
        Event.CHANGED: (Phase.IDLE, (Act.ABANDON,)),
        Event.UNUSED: (Phase.IDLE, (Act.ABANDON,)),
        Event.REMOVED: (Phase.GONE, (Act.ABANDON, Act.CLOSE)),
    },
    Phase.READY: {
        Event.DIED: (Phase.BACKING_OFF, (Act.REST,)),
        Event.SUCCEEDED: (Phase.SWAPPING, (Act.START,)),
        Event.SUCCEEDED_ALONE: (Phase.REPLACING, (Act.DRAIN,)),
        Event.UNUSED: (Phase.IDLE, (Act.DRAIN,)),
        Event.REMOVED: (Phase.GONE, (Act.DRAIN, Act.CLOSE)),
    },
    Phase.SWAPPING: {
        Event.WARM: (Phase.READY, (Act.DRAIN, Act.PROMOTE)),
        Event.BROKE: (Phase.READY, (Act.REST,)),
        Event.DIED: (Phase.STARTING, ()),
        Event.CHANGED: (Phase.READY, (Act.ABANDON,)),
        Event.UNUSED: (Phase.IDLE, (Act.ABANDON, Act.DRAIN)),
        Event.REMOVED: (Phase.GONE, (Act.ABANDON, Act.DRAIN, Act.CLOSE)),
    },
    Phase.REPLACING: {
        Event.DRAINED: (Phase.IDLE, ()),
        Event.REMOVED: (Phase.GONE, (Act.CLOSE,)),
    },
    Phase.BACKING_OFF: {
        Event.RESTED: (Phase.IDLE, ()),
        Event.CHANGED: (Phase.IDLE, ()),
        Event.REMOVED: (Phase.GONE, (Act.CLOSE,)),
    },
    Phase.GONE: {},
}


def choose(active: Active, spare: Active | None, crashes: Mapping[str, int]) -> Active:
    """Which package is to serve: the active one; the spare one in its stead after three crashes within a day.

    Where both have crashed that often, the active one goes on, and backs off.
    """

    def is_failing(package: Active) -> bool:
        return crashes.get(package.manifest_sha256, 0) >= MAX_CRASHES

    if spare is not None and is_failing(active) and not is_failing(spare):
        return spare
    return active
