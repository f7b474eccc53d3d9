"""The device: installs models so that they never break, infers offline, and tells what it saw.

`Model` and `Pipeline` are the app's doors. They are imported when they are asked for: the supervisor carries no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.agent.serve.inference import Model, ModelNotReady
    from edgewright.agent.serve.pipeline import Pipeline

__all__ = ["Model", "ModelNotReady", "Pipeline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from edgewright.agent.serve import inference, pipeline

    return pipeline.Pipeline if name == "Pipeline" else getattr(inference, name)
