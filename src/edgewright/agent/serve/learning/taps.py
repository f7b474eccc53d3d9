"""What people say of answers: each reference once, however often it is sent."""

from __future__ import annotations

from collections import OrderedDict

from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Tap

KEPT = 10_000
MAX_REFERENCE_CHARS = 256


class Taps:
    """Remembers the latest references. Not safe in several threads at once."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._said: OrderedDict[str, Tap] = OrderedDict()

    def is_new(self, reference: str, tap: Tap) -> bool:
        """Whether nothing was said of that answer before. Raises InvalidInput where the reference is none.

        The first word holds: who changes his mind is not counted a second time.
        """
        if not 0 < len(reference) <= MAX_REFERENCE_CHARS:
            told = f"a reference has 1 to {MAX_REFERENCE_CHARS} characters, this one {len(reference)}"
            raise InvalidInput(told, field="reference", hint="Give the reference of the request that was answered.")
        if reference in self._said:
            self._said.move_to_end(reference)
            return False
        self._said[reference] = tap
        if len(self._said) > self._kept:
            self._said.popitem(last=False)
        return True
