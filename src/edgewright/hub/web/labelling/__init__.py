"""Pages on which people say what samples show: with the keyboard alone, or with a thumb."""

from edgewright.hub.web.labelling.doors import HANDLERS

__all__ = ["HANDLERS"]
