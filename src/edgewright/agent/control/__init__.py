"""A person's way to a running agent: DIR/run/agent.sock, for root and for the agent's own user alone.

One line of JSON goes there, a wish, and one comes back, when it has been fulfilled or refused.
"""

from edgewright.agent.control.client import NoAgent, ask
from edgewright.agent.control.server import ControlServer
from edgewright.agent.control.wishes import Flush, ImportBundle, Live, Load, Reload, RollBack, Unload, Wish

__all__ = [
    "ControlServer",
    "Flush",
    "ImportBundle",
    "Live",
    "Load",
    "NoAgent",
    "Reload",
    "RollBack",
    "Unload",
    "Wish",
    "ask",
]
