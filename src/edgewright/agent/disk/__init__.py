"""What the agent keeps in its folder, written so that a power cut finds the old content or the new.

Beside the names below, `apps`, `durable`, `policy`, `settings` and `slots` are used as modules:
`durable.replace(path, data)`.
"""

from edgewright.agent.disk.apps import Declaration
from edgewright.agent.disk.boots import Boots
from edgewright.agent.disk.durable import FileStore
from edgewright.agent.disk.floors import Floors
from edgewright.agent.disk.identity import Identity, NotEnrolled, load_identity, save_identity
from edgewright.agent.disk.pace import PaceMeter
from edgewright.agent.disk.policy import Policy, Sampling
from edgewright.agent.disk.settings import Settings
from edgewright.agent.disk.slots import MANIFEST, SLOTS, Condition, ModelFolder, StageFailed
from edgewright.agent.disk.spool import Entry, Spool, SpoolFull, Writer

__all__ = [
    "Boots",
    "Condition",
    "Declaration",
    "Entry",
    "FileStore",
    "Floors",
    "Identity",
    "MANIFEST",
    "ModelFolder",
    "NotEnrolled",
    "PaceMeter",
    "Policy",
    "SLOTS",
    "Sampling",
    "Settings",
    "Spool",
    "SpoolFull",
    "StageFailed",
    "Writer",
    "load_identity",
    "save_identity",
]
