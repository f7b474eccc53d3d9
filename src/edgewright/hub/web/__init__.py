"""Web: the JSON API, the device API and the pages. Parse, call, render."""

from edgewright.hub.web.server import build_app, serve

__all__ = ["build_app", "serve"]
