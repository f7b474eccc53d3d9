"""What an app requires of a model's contract: versions in words (">=2,<4"), or tensors as a `Contract`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, differences

Wanted = str | Contract
"""A requirement: a version's in words ("" for any), or a contract whose tensors must be there as it says."""

MAX_CHARS = 100
HINT = 'Write it as ">=2", "==1" or ">=2,<4": versions of a contract are whole numbers from 1.'

_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_PART = re.compile(r"\s*(?P<sign>[<>=!~^]*)\s*(?P<version>.*?)\s*")
_MAX_VERSION = 1_000_000


class Requirement:
    """A requirement in words, read: `takes` judges a contract's version. Raises InvalidInput for what is none."""

    def __init__(self, text: str, field: str = "contract") -> None:
        self.text = text
        if len(text) > MAX_CHARS:
            raise InvalidInput(f"a requirement has at most {MAX_CHARS} characters", field=field, hint=HINT)
        self._parts = [_read(part, text, field) for part in text.split(",")] if text.strip() else []
        if not any(self.takes(version) for version in self._turns()):
            raise InvalidInput(f"no version can satisfy '{text}'", field=field, hint=HINT)

    def takes(self, version: int) -> bool:
        """Whether a contract of that version will do."""
        return all(_COMPARISONS[sign](version, bound) for sign, bound in self._parts)

    def _turns(self) -> set[int]:
        """Versions among which there is one that does, if there is any: each bound and its neighbours."""
        near = {bound + step for _, bound in self._parts for step in (-1, 0, 1)}
        return {version for version in near | {1} if version >= 1}


def check(wanted: Wanted, field: str = "contract") -> None:
    """Raise InvalidInput, which names what is wrong, for a requirement that is none."""
    if isinstance(wanted, str):
        Requirement(wanted, field)


def shortfalls(wanted: Wanted, given: Contract) -> list[str]:
    """Say in sentences where a package's contract falls short (empty: it satisfies); each begins with a field."""
    if isinstance(wanted, Contract):
        return differences(wanted, given)
    if Requirement(wanted).takes(given.version):
        return []
    return [f"contract.version: {wanted} is required, the package offers {given.version}"]


def _read(part: str, text: str, field: str) -> tuple[str, int]:
    found = _PART.fullmatch(part)
    sign, version = (found["sign"], found["version"]) if found else ("", part)
    if not part.strip():
        raise InvalidInput(f"'{text}' has an empty part between its commas", field=field, hint=HINT)
    if sign not in _COMPARISONS:
        what = f"'{sign}' compares nothing" if sign else "it does not begin with a comparison"
        known = ", ".join(_COMPARISONS)
        raise InvalidInput(f"'{part.strip()}': {what}; known are {known}", field=field, hint=HINT)
    if not (version.isascii() and version.isdecimal()) or not 1 <= int(version) <= _MAX_VERSION:
        what = f"'{version}' is no version of a contract" if version else "the version is missing"
        raise InvalidInput(f"'{part.strip()}': {what}", field=field, hint=HINT)
    return sign, int(version)
