"""Bundles: releases that come on a stick, with the same checks as over the air."""

from edgewright.agent.bundle.belief import Reader
from edgewright.agent.bundle.carry import Carry, Ending
from edgewright.agent.bundle.detour import Detour
from edgewright.agent.bundle.folder import BundleFolder, NoBundle
from edgewright.agent.bundle.preview import Foreseen, preview

__all__ = [
    "BundleFolder",
    "Carry",
    "Detour",
    "Ending",
    "Foreseen",
    "NoBundle",
    "Reader",
    "preview",
]
