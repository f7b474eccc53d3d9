"""A vocabulary's table: UTF-8 text, the token of number i in line i."""

from __future__ import annotations

from typing import NamedTuple

from edgewright.contract.errors import HostileInput
from edgewright.contract.preprocessing.text import Tokenise

MAX_TABLE_BYTES = 16 * 1024**2
MAX_LINES = 2**20


class Words(NamedTuple):
    """Tokens and their numbers, and the numbers of those that mean something of their own (begin, end: -1 for none)."""

    numbers: dict[str, int]
    begin: int
    end: int
    unknown: int
    pad: int


def read_vocabulary(data: bytes, step: Tokenise) -> Words:
    """Raises HostileInput for a table that is none, or that lacks a token which the step names."""
    field = f"files.{step.table}"
    if len(data) > MAX_TABLE_BYTES:
        raise HostileInput(f"{step.table} has more than {MAX_TABLE_BYTES} bytes", field=field)
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise HostileInput(f"{step.table} is not UTF-8", field=field) from error
    if len(lines) > MAX_LINES:
        raise HostileInput(f"{step.table} has more than {MAX_LINES} lines", field=field)
    numbers: dict[str, int] = {}
    for number, line in enumerate(lines):
        numbers.setdefault(line.removesuffix("\r"), number)

    def number_of(token: str) -> int:
        if token and token not in numbers:
            raise HostileInput(f"{step.table} has no token '{token}', which the step names", field=field)
        return numbers[token] if token else -1

    return Words(numbers, number_of(step.begin), number_of(step.end), number_of(step.unknown), number_of(step.pad))
