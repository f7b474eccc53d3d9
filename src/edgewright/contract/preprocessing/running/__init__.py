"""Does the declared steps with numpy: the same code on the device and on the hub."""

from edgewright.contract.preprocessing.running.preparation import Arrays, Preparation
from edgewright.contract.preprocessing.running.vocabulary import MAX_TABLE_BYTES

__all__ = ["MAX_TABLE_BYTES", "Arrays", "Preparation"]
