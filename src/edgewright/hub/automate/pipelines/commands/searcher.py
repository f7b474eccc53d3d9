"""The child that searches a command's output for metrics: `python -m ….searcher QUESTION`.

An expression is the user's, and one with nested repeats may take for ever: here it holds nobody up, and can be ended.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.hub.children import serve

MAX_CHARS = 256 * 1024
MAX_LINE_CHARS = 4096
MAX_MATCH_CHARS = 100


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a command has written, and the expression of each metric, whose one group holds the number."""

    output: str
    expressions: dict[str, str]


class SearcherQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Search what is written in the file `written` (path; Written as JSON), each expression within `cpu_s`."""

    written: str
    cpu_s: float


class SearcherAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The text that each metric's expression found last, and the metric whose expression took too long."""

    found: dict[str, str]
    late: str = ""


class _TooLong(Exception):
    """The time of one expression is up."""


def search(asked: SearcherQuestion) -> SearcherAnswer:
    """Search for each metric, until one takes too long."""
    written = msgspec.json.decode(Path(asked.written).read_bytes(), type=Written)
    signal.signal(signal.SIGVTALRM, _end)  # the module re looks for signals while it searches
    return _found(searchable(written.output), written.expressions, asked.cpu_s)


def searchable(output: str) -> str:
    """The end of an output, with the ends of its lines."""
    return "".join(line[-MAX_LINE_CHARS:] for line in output[-MAX_CHARS:].splitlines(keepends=True))


def last_match(expression: str, text: str) -> str | None:
    """What the expression's group holds where it matches last; None where it matches nowhere."""
    found = None
    for match in re.finditer(expression, text):
        found = match
    return None if found is None else (found[1] or "")[:MAX_MATCH_CHARS]


def _found(text: str, expressions: Mapping[str, str], cpu_s: float) -> SearcherAnswer:
    found: dict[str, str] = {}
    for name, expression in expressions.items():
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
            match = last_match(expression, text)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except _TooLong:
            return SearcherAnswer(found=found, late=name)
        if match is not None:
            found[name] = match
    return SearcherAnswer(found=found)


def _end(_signal: int, _frame: object) -> None:
    raise _TooLong


if __name__ == "__main__":
    serve(search, SearcherQuestion)
