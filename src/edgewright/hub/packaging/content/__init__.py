"""content signatures (OpenSSF Model Signing) of packages: taken in, checked, given out."""

from edgewright.hub.packaging.content.service import ContentSignatures

__all__ = ["ContentSignatures"]
