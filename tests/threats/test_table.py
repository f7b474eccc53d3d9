"""The table of threats and the tests that carry them out name each other, all of them."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reference" / "threats.md"
ATTACKS = {
    "arbitrary software",
    "rollback",
    "rollback after a power cut that loses local metadata",
    "freeze",
    "mix and match",
    "fast-forward",
    "wrong device",
    "wrong hardware",
    "endless data",
    "slow data",
    "stolen device key",
    "copied device",
    "stolen timestamp, snapshot and director keys together",
    "replayed order",
    "delta on a wrong base",
    "delta bomb",
    "stolen release key",
    "stolen root key",
    "people are made to sign more",
}


def rows() -> dict[str, list[str]]:
    """The cells of each row, by attack."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {row[0]: row[1:] for row in cells}


def named() -> set[str]:
    return {name for row in rows().values() for name in re.findall(r"`(test_\w+)`", row[-1])}


def carried_out(below: Path) -> set[str]:
    files = [path for path in below.rglob("test_*.py") if path.name != Path(__file__).name]
    return {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


def test_every_attack_has_its_row_and_every_row_is_full():
    assert set(rows()) == ATTACKS
    assert all(len(row) == 4 and all(row) for row in rows().values())


def test_every_row_names_a_test():
    assert [attack for attack, row in rows().items() if not re.search(r"`test_\w+`", row[-1])] == []


def test_every_test_that_a_row_names_is_there():
    assert named() - carried_out(HERE.parent) == set()


def test_every_test_of_an_attack_stands_in_a_row():
    assert carried_out(HERE) - named() == set()
