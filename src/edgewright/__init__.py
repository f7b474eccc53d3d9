"""Edgewright runs the whole life of machine-learning models on fleets of edge devices."""

import os

TYPE_CHECKING = False  # as type checkers see it; typing itself would take longer than all of this
if TYPE_CHECKING:
    from edgewright.steps import Arrays as Arrays
    from edgewright.steps import step as step

__version__ = "0.1.0"

TELEMETRY_OFF = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""What ONNX Runtime's releases look at, when they are imported, before they report to their maker from 1.31 on."""

for _name in TELEMETRY_OFF:  # a device talks to its hub and to nobody else; who wants otherwise sets them to 0
    os.environ.setdefault(_name, "1")


def __getattr__(name: str) -> object:
    """`edgewright.step` and `edgewright.Arrays`, imported when somebody asks: a device asks for neither."""
    if name in ("Arrays", "step"):
        from edgewright import steps

        return getattr(steps, name)
    raise AttributeError(name)
