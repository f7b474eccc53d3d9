"""Routes: alerts told to where people look, by webhook, letter or Alertmanager."""

from edgewright.hub.observe.routes.model import News
from edgewright.hub.observe.routes.service import Routes

__all__ = ["News", "Routes"]
