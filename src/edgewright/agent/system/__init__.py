"""What the agent needs of the operating system: signals, child processes, the log, facts about the machine.

`facts` and `logs` are used as modules: `logs.say("agent started")`.
"""

from edgewright.agent.system.bell import Bell
from edgewright.agent.system.boots import boot_id, uptime_s
from edgewright.agent.system.children import start_bound
from edgewright.agent.system.limits import Limits
from edgewright.agent.system.parts import Part
from edgewright.agent.system.stop import Stop

__all__ = [
    "Bell",
    "Limits",
    "Part",
    "Stop",
    "boot_id",
    "start_bound",
    "uptime_s",
]
