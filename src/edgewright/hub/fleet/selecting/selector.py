"""A selector: terms that must all hold, read once and held against very many devices."""

from __future__ import annotations

from typing import NamedTuple

from edgewright.contract.errors import InvalidInput
from edgewright.hub.fleet.facts import DeviceFacts
from edgewright.hub.fleet.selecting.names import Found
from edgewright.hub.fleet.selecting.terms import ALL, Term, parse_term

MAX_CHARS = 1000
MODEL = "model."


class Finding(NamedTuple):
    """One term, whether it holds for a device, and what was found there in words."""

    term: str
    holds: bool
    found: str


class Selector:
    """The devices for which every term holds; 'all' has none. See docs/reference/selectors.md for the grammar.

    Raises InvalidInput, field 'selector', naming the first bad term.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARS:
            raise InvalidInput(f"a selector has at most {MAX_CHARS} characters, not {len(text)}", field="selector")
        self.text = text.strip()
        parts = () if self.text == ALL else self.text.split(",")
        self.terms: tuple[Term, ...] = tuple(parse_term(part.strip(), text) for part in parts)

    @property
    def models(self) -> frozenset[str]:
        """Models whose releases it asks for: facts must be read with them."""
        return frozenset(term.name.removeprefix(MODEL) for term in self.terms if term.name.startswith(MODEL))

    def takes(self, facts: DeviceFacts) -> bool:
        """Whether the device is selected."""
        return all(term.takes(facts) for term in self.terms)

    def explain(self, facts: DeviceFacts) -> tuple[Finding, ...]:
        """Each term with whether it holds for the device."""
        return tuple(Finding(term.text, term.takes(facts), _words(term.find(facts))) for term in self.terms)


def _words(found: Found) -> str:
    if found is None:
        return "nothing"
    if isinstance(found, tuple):
        return ", ".join(found)
    return found if isinstance(found, str) else f"{found:.6g}"
