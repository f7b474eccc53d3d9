"""Which weights of a model are its parent's, to the bit: what was frozen, as the files themselves say."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.pipelines.commands.comparer import ComparerAnswer, ComparerQuestion
from edgewright.hub.children import StepFailed, ask

TIMEOUT_S = 120.0


def kept_weights(parent: Path, model: Path) -> tuple[str, ...]:
    """Names of the weights of `model` that `parent` has too, equal to the bit, by a process of its own.

    () where one of the two cannot be read: the registry says why.
    """
    asked = ComparerQuestion(parent=str(parent.resolve()), model=str(model.resolve()))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(StepFailed, InvalidInput):
        return ask(
            "edgewright.hub.automate.pipelines.commands.comparer",
            asked,
            ComparerAnswer,
            name="comparing with the parent",
            folder=Path(folder),
            timeout_s=TIMEOUT_S,
        ).kept
    return ()
