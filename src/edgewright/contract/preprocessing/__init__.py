"""What is done to an app's data before the model takes it: a declared, bounded list of steps in the contract.

Here is what a manifest says and what follows for types and shapes, without numpy; `preprocessing.running` does it, on
the device and on the hub alike. Every step with its formula: docs/reference/contract.md.
"""

from edgewright.contract.preprocessing.chain import MAX_STEPS, Step, Steps, follow, name_of, tables
from edgewright.contract.preprocessing.tensor import MAX_ROW_ELEMENTS, Tensor, row_elements

__all__ = [
    "MAX_ROW_ELEMENTS",
    "MAX_STEPS",
    "Step",
    "Steps",
    "Tensor",
    "follow",
    "name_of",
    "row_elements",
    "tables",
]
