"""Packaging: manifests, releases and their signatures, the TUF repository, and deltas."""

from edgewright.hub.packaging.deltas import DeltaRow, Deltas
from edgewright.hub.packaging.model import (
    NoRoot,
    NoVariants,
    OwnApproval,
    ReleaseIsBad,
    StaleSignature,
    UnknownRelease,
)
from edgewright.hub.packaging.renewal import Renewal
from edgewright.hub.packaging.repository import Repository
from edgewright.hub.packaging.service import Packaging

__all__ = [
    "DeltaRow",
    "Deltas",
    "NoRoot",
    "NoVariants",
    "OwnApproval",
    "Packaging",
    "ReleaseIsBad",
    "Renewal",
    "Repository",
    "StaleSignature",
    "UnknownRelease",
]
