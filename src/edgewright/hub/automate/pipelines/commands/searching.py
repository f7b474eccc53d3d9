"""Metrics found in a command's output by the user's expressions, in a process of its own that can be ended."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edgewright.hub.automate.pipelines.commands.searcher import SearcherAnswer, SearcherQuestion, Written
from edgewright.hub.automate.pipelines.model import TrainingFailed
from edgewright.hub.children import ask
from edgewright.hub.sandbox import GIB

CPU_S = 2.0
"""Of one expression: a quarter of a million characters take a sound one milliseconds."""
TIMEOUT_S = 300.0
"""Of all expressions."""
MEMORY_BYTES = 2 * GIB


def searched(output: str, expressions: Mapping[str, str], is_cancelled: Callable[[], bool]) -> dict[str, float]:
    """The last number that each expression finds.

    Raises TrainingFailed where one finds none or takes longer than 2 s, and Cancelled once `is_cancelled` says so.
    """
    answer = _ask(output, expressions, is_cancelled)
    if answer.late:
        said = f"metric '{answer.late}': its expression took longer than {CPU_S:g} s; write it without nested repeats"
        raise TrainingFailed(said, field=f"metrics.{answer.late}", hint="As in ([0-9,]+) for ((?:[0-9]+,?)+).")
    found: dict[str, float] = {}
    for name, expression in expressions.items():
        try:
            found[name] = float(answer.found[name])
        except (KeyError, ValueError) as error:
            message = f"the output has no number for the metric '{name}' ({expression})"
            raise TrainingFailed(message, field=f"metrics.{name}") from error
    return found


def _ask(output: str, expressions: Mapping[str, str], is_cancelled: Callable[[], bool]) -> SearcherAnswer:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "written.json"
        written.write_bytes(msgspec.json.encode(Written(output=output, expressions=dict(expressions))))
        return ask(
            "edgewright.hub.automate.pipelines.commands.searcher",
            SearcherQuestion(written=str(written), cpu_s=CPU_S),
            SearcherAnswer,
            name="searching the output for metrics",
            folder=Path(folder),
            timeout_s=TIMEOUT_S,
            memory_bytes=MEMORY_BYTES,
            is_cancelled=is_cancelled,
        )
