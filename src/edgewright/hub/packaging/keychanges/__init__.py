"""Changes of keys: drafted at the hub, signed by the people who hold the keys, published when enough have."""

from edgewright.hub.packaging.keychanges.model import NothingToChange, UnknownChange
from edgewright.hub.packaging.keychanges.service import KeyChanges

__all__ = ["KeyChanges", "NothingToChange", "UnknownChange"]
