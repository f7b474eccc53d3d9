"""An install's way to the disk: what fits is fetched, whole or as a delta, and hashed before it is believed."""

from edgewright.agent.install.download import Downloads, NotHere, Source
from edgewright.agent.install.fetch import Fetcher
from edgewright.agent.install.fit import lack, misfit, unsatisfied
from edgewright.agent.install.patch import Patch, Patching, start_patch, timed
from edgewright.agent.install.room import Room, no_room

__all__ = [
    "Downloads",
    "Fetcher",
    "NotHere",
    "Patch",
    "Patching",
    "Room",
    "Source",
    "lack",
    "misfit",
    "no_room",
    "start_patch",
    "timed",
    "unsatisfied",
]
