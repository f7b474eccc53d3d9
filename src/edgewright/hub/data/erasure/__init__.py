"""Deletion that leaves nothing: when a sample's time is up, and when a person asks for it."""

from edgewright.hub.data.erasure.keeper import Keeper
from edgewright.hub.data.erasure.removal import Doomed, Removal
from edgewright.hub.data.erasure.subjects import Erasures, SnapshotsAffected

__all__ = ["Doomed", "Erasures", "Keeper", "Removal", "SnapshotsAffected"]
