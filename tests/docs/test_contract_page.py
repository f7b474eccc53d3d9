"""The page of contracts names every step with its fields, and what it shows can be read as it stands."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from edgewright.contract.preprocessing import Step, Tensor, follow
from edgewright.contract.preprocessing.picture import Layout, Method
from edgewright.contract.preprocessing.signal import Shape, Spectrum
from edgewright.contract.preprocessing.text import Padding, Vocabulary
from edgewright.contract.refinement import FREE, Refinement

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "reference" / "contract.md", DOCS / "howto" / "prepare-data-in-the-package.md"]
SHOWN = [
    textwrap.dedent(block)
    for page in PAGES
    for block in re.findall(r"^ *```toml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
]
LEFT_OUT = {"longest", "max-length"}  # said in words


@pytest.mark.parametrize("kind", get_args(Step))
def test_every_step_has_its_heading_and_every_field_its_word(kind: type[msgspec.Struct]) -> None:
    page = PAGES[0].read_text()

    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)

    assert kind.__struct_config__.tag in ", ".join(headings).split(", ")
    for field in kind.__struct_fields__:
        assert re.search(rf"\b{field}\b", page), field


@pytest.mark.parametrize("words", [Layout, Method, Shape, Spectrum, Vocabulary, Padding])
def test_every_choice_is_named(words: type[Layout]) -> None:
    page = PAGES[0].read_text()

    assert [
        word for word in words if word not in LEFT_OUT and f"`{word}`" not in page and f'"{word}"' not in page
    ] == []


def test_there_are_examples() -> None:
    assert len(SHOWN) == 5


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown_fits_together(shown: str) -> None:
    refinement = msgspec.convert(tomllib.loads(shown)["contract"], Refinement)

    raw = {
        name: Tensor(hint.dtype, tuple(None if size == FREE else size for size in hint.shape))
        for name, hint in refinement.inputs.items()
        if hint.dtype is not None
    }

    assert follow(raw, refinement.preprocessing)
