"""Which detectors there are: ours and yours, by the entry point 'edgewright.detectors'."""

from __future__ import annotations

from typing import Any

from edgewright import plugins
from edgewright.hub.observe.detectors.model import Detector

GROUP = "edgewright.detectors"


def names() -> list[str]:
    """The detectors that are installed."""
    return plugins.names(GROUP)


def detector(name: str, **settings: float) -> Detector[Any]:
    """The detector of that name with these settings. Raises NotFound, or PluginBroken where its import fails."""
    made: Detector[Any] = plugins.load(GROUP, name)(**settings)
    return made


def detectors() -> dict[str, Detector[Any]]:
    """All that are installed, as they come."""
    return {name: detector(name) for name in names()}
