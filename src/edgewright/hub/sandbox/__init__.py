"""One command under limits: its own process group, capped time, memory and files, no network, and no secrets."""

from edgewright.hub.sandbox.running import GIB, MAX_OUTPUT_BYTES, PYTHON, Finished, run
from edgewright.hub.sandbox.watching import Confines

__all__ = ["GIB", "MAX_OUTPUT_BYTES", "PYTHON", "Confines", "Finished", "run"]
