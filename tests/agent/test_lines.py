"""Lines of a child come in pieces, and one without an end is refused."""

from __future__ import annotations

import pytest

from edgewright.agent.system.lines import MAX_LINE_BYTES, Lines
from edgewright.contract.errors import HostileInput


def test_lines_are_cut_wherever_the_pieces_end() -> None:
    lines = Lines()

    heard = [lines.take(piece) for piece in (b"on", b"e\ntw", b"o\nthree\n", b"fo")]

    assert heard == [[], [b"one"], [b"two", b"three"], []]


def test_a_line_without_an_end_is_refused() -> None:
    lines = Lines()
    lines.take(b"x" * MAX_LINE_BYTES)

    with pytest.raises(HostileInput, match="does not end its line"):
        lines.take(b"x")
