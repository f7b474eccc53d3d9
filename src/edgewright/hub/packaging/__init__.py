"""Packaging: manifests, releases and their signatures, the TUF repository, and deltas."""

from edgewright.hub.packaging.chain import Chain
from edgewright.hub.packaging.content import ContentSignatures
from edgewright.hub.packaging.deltas import FETCH_BYTES, MAX_FETCHES, Deltas, Limits, Plan
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
    "ContentSignatures",
    "Chain",
    "Deltas",
    "FETCH_BYTES",
    "Limits",
    "MAX_FETCHES",
    "NoRoot",
    "NoVariants",
    "OwnApproval",
    "Packaging",
    "Plan",
    "ReleaseIsBad",
    "Renewal",
    "Repository",
    "StaleSignature",
    "UnknownRelease",
]
