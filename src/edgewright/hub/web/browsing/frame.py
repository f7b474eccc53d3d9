"""What every page stands in: its template, who looks, where its part is polled and where its data is."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from litestar.params import QueryParameter

from edgewright import __version__
from edgewright.hub.govern import Permission, Principal, require
from edgewright.hub.web.rendering import render

PAGE_SIZE = 50
InState = Annotated[str, QueryParameter(name="state")]


def page(template: str, principal: Principal, path: str, data: str, **values: object) -> str:
    """A whole page; `path` is the page of the navigation that it belongs to, `data` where its JSON twin is."""
    require(principal, Permission.READ)
    hub, user = f"Edgewright {__version__}", principal.name
    return render(template, hub=hub, user=user, path=path, data=data, **values)


def link(path: str, **query: str | int) -> str:
    """A path of this hub with what is asked for there; what is empty is left out."""
    asked = urlencode({name.rstrip("_"): value for name, value in query.items() if value})
    return f"{path}?{asked}" if asked else path
