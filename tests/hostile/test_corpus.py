"""Every input that fuzzing found worth keeping goes through its target again."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name[:20]}")
def test_no_input_of_the_corpus_breaks_its_target(path):
    target = importlib.import_module(path.parent.name)

    target.consume(path.read_bytes())


def test_the_corpus_is_small_and_every_target_has_one():
    assert {path.parent.name for path in INPUTS} == {path.stem for path in CORPUS.parent.glob("*_*.py")}
    assert sum(path.stat().st_size for path in INPUTS) < 300_000
