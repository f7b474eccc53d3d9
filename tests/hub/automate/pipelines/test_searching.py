"""Metrics found in what a command wrote, by expressions that may take for ever."""

from __future__ import annotations

import re
import time

import pytest

from edgewright.hub.automate.pipelines.commands.searcher import MAX_CHARS, MAX_LINE_CHARS, last_match, searchable
from edgewright.hub.automate.pipelines.commands.searching import searched
from edgewright.hub.automate.pipelines.model import TrainingFailed
from edgewright.hub.children import Cancelled

ENDLESS = r"(?:\d+,?)+ acc=([0-9.]+)"


def never() -> bool:
    return False


def test_metrics_are_found_in_the_output_and_the_last_counts():
    said = "epoch 1 loss=0.5\nepoch 2 loss=0.25 acc: 9e-1\n"

    found = searched(said, {"loss": "loss=([0-9.]+)", "accuracy": "acc: (.*)"}, never)

    assert found == {"loss": 0.25, "accuracy": 0.9}


@pytest.mark.parametrize("said", ["", "loss=none"])
def test_a_metric_that_is_not_there_or_no_number_is_named(said):
    with pytest.raises(TrainingFailed, match="no number for the metric 'loss'"):
        searched(said, {"loss": "loss=(.*)"}, never)


def test_an_expression_that_would_take_for_ever_is_ended_and_named_with_the_fix():
    began = time.monotonic()

    with pytest.raises(TrainingFailed, match=r"'acc': its expression took longer than 2 s; .* nested") as refusal:
        searched(f"loss=1\n{'1' * 80}\n", {"loss": "loss=(.*)", "acc": ENDLESS}, never)

    assert refusal.value.field == "metrics.acc"
    assert time.monotonic() - began < 60


def test_a_run_that_is_cancelled_ends_the_search():
    with pytest.raises(Cancelled):
        searched("1" * 80, {"acc": ENDLESS}, lambda: True)


def test_the_end_of_a_long_output_and_of_its_long_lines_is_searched():
    line = "x" * MAX_LINE_CHARS
    text = searchable(f"loss=7 {line}\nloss=8\r{line} loss=9")

    assert re.findall("loss=.", text) == ["loss=8", "loss=9"]
    assert len(text) == 2 * MAX_LINE_CHARS + len("loss=8\r")
    assert len(searchable("x\n" * MAX_CHARS)) == MAX_CHARS


def test_a_group_that_took_no_part_is_no_number():
    assert (last_match("a|b=([0-9])", "b=1 a"), last_match("c=(.)", "b=1 a")) == ("", None)
