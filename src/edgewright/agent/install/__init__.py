"""An install's way to the disk: what fits is fetched, whole or as a delta, and hashed before it is believed."""

from edgewright.agent.install.download import Source
from edgewright.agent.install.fetch import Fetcher, Patch, Progress
from edgewright.agent.install.fit import misfit
from edgewright.agent.install.patch import apply_delta

__all__ = [
    "Fetcher",
    "Patch",
    "Progress",
    "Source",
    "apply_delta",
    "misfit",
]
