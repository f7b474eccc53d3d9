"""docs/reference/optimisation.md names every step with its parameters, and every state, place, metric and limit."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from edgewright.contract.api import Constraints, Metric, Place, StudyState, TrialState
from edgewright.hub.optimize import steps

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "optimisation.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z0-9-]+)` \|(.*)\|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", steps.names())
def test_every_step_stands_there_with_its_parameters(name):
    parameters = {field.name for field in msgspec.structs.fields(steps.step(name).params)}

    assert {one for one in parameters if f"`{one}`" not in ROWS.get(name, "")} == set()
    assert name in ROWS


@pytest.mark.parametrize("kind", [StudyState, TrialState, Place, Metric])
def test_every_word_of_a_closed_set_stands_there(kind):
    assert [word for word in kind if f"`{word}`" not in PAGE] == []


def test_every_limit_stands_there():
    assert [name for name in Constraints.__struct_fields__ if f"`{name}`" not in PAGE] == []
