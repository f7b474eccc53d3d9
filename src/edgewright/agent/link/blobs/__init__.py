"""Blobs on their way to this device: from the hub, where it sends us, or a neighbour; at the allowed rate."""

from edgewright.agent.link.blobs.line import BlobLine
from edgewright.agent.link.blobs.neighbours import NearFirst
from edgewright.agent.link.blobs.throttle import Throttle

__all__ = ["BlobLine", "NearFirst", "Throttle"]
