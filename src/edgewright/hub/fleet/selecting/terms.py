"""One term of a selector, read and held against a device: `ram_mb>=2048`, `site=berlin|hamburg`, `!camera`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from edgewright.contract.errors import InvalidInput
from edgewright.hub.fleet.facts import DeviceFacts
from edgewright.hub.fleet.selecting.names import Found, Kind, Name, name_of, number_of, version_key

ALL = "all"
MAX_CHOICES = 100
HINT = (
    "Join terms by commas: site=berlin, site!=berlin|hamburg, ram_mb>=2048, camera (has that label), !camera; or 'all'."
)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_VALUE = re.compile(r"[A-Za-z0-9_.:/+ -]{1,100}")
_TERM = re.compile(r"(?P<name>[^=!<>]*)(?P<sign>!=|<=|>=|=|<|>)(?P<values>.*)")


class Sign(StrEnum):
    """How a term compares."""

    IS = "="
    IS_NOT = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    HAS = "has"
    LACKS = "lacks"


_SIZES: dict[Sign, Callable[[Any, Any], bool]] = {
    Sign.BELOW: operator.lt,
    Sign.AT_MOST: operator.le,
    Sign.ABOVE: operator.gt,
    Sign.AT_LEAST: operator.ge,
}


@dataclass(frozen=True)
class Term:
    """A condition on one label or measured thing of a device."""

    text: str
    name: str
    sign: Sign
    values: tuple[str, ...]
    meaning: Name

    def find(self, facts: DeviceFacts) -> Found:
        """What the device has under this name: its label, or else what was measured."""
        label = facts.labels.get(self.name)
        return self.meaning.find(facts) if label is None else label

    def takes(self, facts: DeviceFacts) -> bool:
        """Whether the condition holds for a device."""
        found = self.find(facts)
        if self.sign is Sign.HAS:
            return found is not None
        if self.sign is Sign.LACKS:
            return found is None
        if self.sign is Sign.IS:
            return found is not None and self._is_one(found)
        if self.sign is Sign.IS_NOT:
            return found is None or not self._is_one(found)
        return found is not None and self._is_ordered(found)

    def _is_one(self, found: Found) -> bool:
        if isinstance(found, tuple):
            return any(value in found for value in self.values)
        if isinstance(found, float | int):
            return any(number_of(value) == found for value in self.values)
        if self.meaning.kind is Kind.VERSION and found is not None:
            return any(value == found or version_key(value) == version_key(found) for value in self.values)
        return found in self.values

    def _is_ordered(self, found: Found) -> bool:
        compare, wanted = _SIZES[self.sign], self.values[0]
        if isinstance(found, float | int):
            return bool(compare(found, number_of(wanted)))
        if not isinstance(found, str):
            return False
        ours, theirs = _sizes(found, wanted, self.meaning.kind)
        return ours is not None and theirs is not None and compare(ours, theirs)


def parse_term(text: str, selector: str) -> Term:
    """Read one term; raises InvalidInput that names it and says how to mend it."""
    shape = _TERM.fullmatch(text)
    if shape is None:
        name, sign = text.removeprefix("!").strip(), Sign.LACKS if text.startswith("!") else Sign.HAS
        if name.lower() == ALL:
            raise _wrong(text, selector, f"'{ALL}' stands alone", f"Leave it out; for every device write just '{ALL}'.")
        return Term(text, _checked_name(name, text, selector), sign, (), name_of(name))
    name = _checked_name(shape["name"].strip(), text, selector)
    sign, meaning = Sign(shape["sign"]), name_of(name)
    values = tuple(value.strip() for value in shape["values"].split("|"))
    if len(values) > MAX_CHOICES or not all(map(_VALUE.fullmatch, values)):
        raise _wrong(text, selector, "its value is none")
    _check_kind(text, selector, sign, values, meaning.kind)
    return Term(text, name, sign, values, meaning)


def _check_kind(text: str, selector: str, sign: Sign, values: tuple[str, ...], kind: Kind) -> None:
    is_size = sign in _SIZES
    if is_size and len(values) > 1:
        raise _wrong(text, selector, f"'{sign}' takes one value", "Alternatives go with = and != only.")
    if is_size and kind in (Kind.WORD, Kind.WORDS):
        raise _wrong(text, selector, "words have no order", "Use = or != here.")
    if is_size and kind in (Kind.NUMBER, Kind.LABEL) and number_of(values[0]) is None:
        raise _wrong(text, selector, "it needs a number", "Write a plain number, as in ram_mb>=2048.")
    if is_size and kind is Kind.VERSION and version_key(values[0]) is None:
        raise _wrong(text, selector, "it needs a version", "Write a version, as in runtime.onnxruntime>=1.20.")


def _checked_name(name: str, text: str, selector: str) -> str:
    if not _NAME.fullmatch(name):
        raise _wrong(text, selector, "its name is none")
    return name


def _sizes(found: str, wanted: str, kind: Kind) -> tuple[Any, Any]:
    if kind is Kind.VERSION:
        return version_key(found), version_key(wanted)
    return number_of(found), number_of(wanted)


def _wrong(text: str, selector: str, why: str, hint: str = HINT) -> InvalidInput:
    return InvalidInput(f"'{text}' in the selector '{selector}' is no term: {why}", field="selector", hint=hint)
