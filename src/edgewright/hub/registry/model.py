"""Names, and what may be registered: the registry's pure rules."""

from __future__ import annotations

import re

from edgewright.contract.errors import InvalidInput, NotFound

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class UnknownModel(NotFound):
    code = "unknown_model"
    hint = "`edgewright model ls` lists the models."


class UnknownVersion(NotFound):
    code = "unknown_version"
    hint = "`edgewright model show NAME` lists its versions."


def check_name(name: str, field: str) -> str:
    """Return `name` if a model or dataset may have it; raises InvalidInput."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"'{name[:80]}' is no name",
            field=field,
            hint="A name has 1 to 40 lower-case letters, digits and '-', and begins with a letter.",
        )
    return name
