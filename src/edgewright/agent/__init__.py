"""The device: installs models so that they never break, infers offline, and tells what it saw.

`Model` is the app's door. It is imported when it is asked for: the supervisor carries no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.agent.serve.inference import Model, ModelNotReady

__all__ = ["Model", "ModelNotReady"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edgewright.agent.serve import inference

    return getattr(inference, name)
