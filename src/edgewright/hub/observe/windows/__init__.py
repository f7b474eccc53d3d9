"""Windows: taken in once each, kept while they are needed, added up for ever."""

from edgewright.hub.observe.windows.intake import Intake
from edgewright.hub.observe.windows.lenses import HoldOutOf, Lens, Lenses, SchemaOf

__all__ = ["HoldOutOf", "Intake", "Lens", "Lenses", "SchemaOf"]
