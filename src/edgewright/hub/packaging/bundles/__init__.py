"""OpenSSF Model Signing bundles of packages: taken in, checked, given out."""

from edgewright.hub.packaging.bundles.service import Bundles

__all__ = ["Bundles"]
