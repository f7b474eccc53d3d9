"""Fills the pages' templates in; every value is escaped."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2
import msgspec

from edgewright import __version__
from edgewright.hub.web import wording

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Fill a template in; all values are escaped."""
    return _templates().get_template(template).render(version=__version__, **values)


@functools.cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(tone=wording.tone)
    environment.filters.update(plural=wording.plural, size=wording.size)
    environment.filters["json"] = lambda value: msgspec.json.encode(value).decode()
    return environment
