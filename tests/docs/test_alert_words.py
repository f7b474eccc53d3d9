"""The pages on alerts and metrics name every word of the closed sets, and every figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgewright.contract.api import AlertKind, AlertLevel, AlertState, RouteKind, Severity
from edgewright.hub.observe.routes import News

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ALERTS, METRICS = ((REFERENCE / name).read_text() for name in ("alerts.md", "metrics.md"))
SOURCE = Path(__file__).parents[2] / "src" / "edgewright" / "hub" / "web" / "metrics.py"


@pytest.mark.parametrize("words", [AlertKind, AlertLevel, AlertState, RouteKind, Severity, News])
def test_every_word_of_a_closed_set_stands_there(words):
    assert [word for word in words if not re.search(rf"\b{word}\b", ALERTS)] == []


def test_every_figure_stands_there():
    named = set(re.findall(r'"(edgewright_[a-z_]+)"', SOURCE.read_text()))

    assert {name for name in named if name not in METRICS} == set()
