"""Provenance: sealed statements of what this hub made of what, found again by the digest of what was made."""

from edgewright.hub.provenance.model import (
    BUILD_TYPES,
    RUN_KEY,
    Execution,
    Making,
    evaluation,
    optimisation,
    packaging,
    snapshot_name,
    training,
    variant_name,
    version_name,
)
from edgewright.hub.provenance.service import Attested, Provenance

__all__ = [
    "BUILD_TYPES",
    "Attested",
    "Making",
    "Provenance",
    "RUN_KEY",
    "Execution",
    "evaluation",
    "optimisation",
    "packaging",
    "snapshot_name",
    "training",
    "variant_name",
    "version_name",
]
