"""Bundles: releases that come on a stick, with the same checks as over the air."""

from edgewright.agent.bundle.carry import Carry, Ending
from edgewright.agent.bundle.folder import BundleFolder, NoBundle

__all__ = [
    "BundleFolder",
    "Carry",
    "Ending",
    "NoBundle",
]
