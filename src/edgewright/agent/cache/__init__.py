"""A site's cache: one device keeps blobs for its neighbours, who trust it for nothing."""

from edgewright.agent.cache.server import CacheServer
from edgewright.agent.cache.shelf import Shelf, TooLarge

__all__ = [
    "CacheServer",
    "Shelf",
    "TooLarge",
]
