"""Which pipelines can run. Pure rules."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

from edgewright.contract.api import PipelineDraft
from edgewright.contract.errors import InvalidInput, NotFound, Refused

MAX_TIMEOUT_S = 7 * 86400.0
MAX_PARAMS_BYTES = 32 * 1024


class UnknownPipeline(NotFound):
    code = "unknown_pipeline"
    hint = "`edgewright train` in the project's folder stores it."


class ChallengerNotBetter(Refused):
    code = "challenger_not_better"
    hint = "The champion stays. Label more samples, or change the training."


class TrainingFailed(Refused):
    code = "training_failed"
    hint = "`edgewright run show ID` prints the log of the command."


def check_params(params: dict[str, Any]) -> None:
    """Raise InvalidInput for parameters that fit neither a process's environment nor a statement of provenance."""
    size_bytes = len(msgspec.json.encode(params))
    if size_bytes > MAX_PARAMS_BYTES:
        hint = "Put large values into a file of the snapshot or of the code."
        message = f"the parameters take {size_bytes} bytes as JSON, more than {MAX_PARAMS_BYTES}"
        raise InvalidInput(message, field="params", hint=hint)


def check_pipeline(draft: PipelineDraft) -> None:
    """Raise InvalidInput unless the command can be started."""
    check_params(draft.params)
    try:
        words = shlex.split(draft.command)
    except ValueError as error:
        raise InvalidInput(f"the command cannot be read: {error}", field="command", hint="Check its quotes.") from error
    if not words or not draft.command.isprintable():
        raise InvalidInput("the command is empty, or has characters that do not print", field="command")
    if not 0 < draft.timeout_s <= MAX_TIMEOUT_S:
        hint = f"Choose more than 0 and at most {MAX_TIMEOUT_S:g} seconds."
        raise InvalidInput(f"a command cannot have {draft.timeout_s:g} s", field="timeout_s", hint=hint)
