"""What the agent needs of the operating system: signals, child processes, the log, facts about the machine.

`facts` and `logs` are used as modules: `logs.say("agent started")`.
"""

from edgewright.agent.system.bell import Bell
from edgewright.agent.system.boots import boot_id, uptime_s
from edgewright.agent.system.builds import built_at
from edgewright.agent.system.child import Child
from edgewright.agent.system.children import start_bound
from edgewright.agent.system.limits import Limits
from edgewright.agent.system.parts import Part
from edgewright.agent.system.stop import Stop

__all__ = [
    "Bell",
    "Child",
    "Limits",
    "Part",
    "Stop",
    "boot_id",
    "built_at",
    "start_bound",
    "uptime_s",
]
