"""Forms on the hub's pages: only those that stand on its own pages count, and only of those who may."""

from __future__ import annotations

from typing import Any

from litestar import Request

from edgewright.contract.errors import NotAllowed
from edgewright.hub.govern import Permission, Principal, require

MAX_FORM_BYTES = 16 * 1024


class ForeignForm(NotAllowed):
    code = "foreign_form"
    hint = "Use the form on the hub's own page."


def refuse_foreign(request: Request[Any, Any, Any]) -> None:
    """A browser says where a form stands; another site's may do nothing here. Raises ForeignForm."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm("this form stands on another site", field="sec-fetch-site")


def may(principal: Principal, permission: Permission) -> bool:
    """Whether a page shows them the form: what it sends is checked again."""
    try:
        require(principal, permission)
    except NotAllowed:
        return False
    return True
