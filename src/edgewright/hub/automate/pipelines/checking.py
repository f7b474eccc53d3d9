"""Whether a pipeline can run at all: every mistake is told by its field, with the fix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from edgewright.contract.api import Does, PipelineDraft, StepDraft
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.pipelines.model import before, steps_of
from edgewright.hub.automate.pipelines.params import PARAMS, read

MAX_STEPS = 64
MAX_TIMEOUT_S = 7 * 86400.0
MAX_PARAMS_BYTES = 32 * 1024
MAX_METRICS = 100
MAX_EXPRESSION_CHARS = 500
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
FUNCTION = re.compile(r"[\w./-]+\.py:[A-Za-z_]\w*")
SNAPSHOT_FILES = ("train.npz", "holdout.npz", "holdout_new.npz")
MAKES_VERSION = (Does.TRAIN, Does.TRANSFER)
NEEDS_VERSION = (Does.EVALUATE, Does.OPTIMISE, Does.PACKAGE, Does.ROLL_OUT)


def check_pipeline(draft: PipelineDraft) -> tuple[StepDraft, ...]:
    """The steps in order; raises InvalidInput unless every one of them could run."""
    check_params(draft.params)
    check_command(draft.command, draft.timeout_s, "")
    if len(draft.steps) > MAX_STEPS:
        raise InvalidInput(f"{len(draft.steps)} steps", field="pipeline.steps", hint=f"At most {MAX_STEPS}.")
    _check_names(draft.steps)
    steps = steps_of(draft)
    for step in steps:
        _check_step(step)
        _check_before(step, steps)
    _check_files(steps)
    return steps


def check_params(params: dict[str, Any], field: str = "params") -> None:
    """Raise InvalidInput for parameters that fit neither a process's environment nor a statement of provenance."""
    size_bytes = len(msgspec.json.encode(params))
    if size_bytes > MAX_PARAMS_BYTES:
        hint = "Put large values into a file of the snapshot or of the code."
        message = f"the parameters take {size_bytes} bytes as JSON, more than {MAX_PARAMS_BYTES}"
        raise InvalidInput(message, field=field, hint=hint)


def check_command(command: str, timeout_s: float, above: str) -> None:
    """Raise InvalidInput unless the command can be started. `above` stands before the names of fields."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        message = f"the command cannot be read: {error}"
        raise InvalidInput(message, field=f"{above}command", hint="Check its quotes.") from error
    if not words or not command.isprintable():
        raise InvalidInput("the command is empty, or has characters that do not print", field=f"{above}command")
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        hint = f"Choose more than 0 and at most {MAX_TIMEOUT_S:g} seconds."
        raise InvalidInput(f"a command cannot have {timeout_s:g} s", field=f"{above}timeout_s", hint=hint)


def _check_names(steps: Sequence[StepDraft]) -> None:
    seen: set[str] = set()
    for step in steps:
        if not NAME.fullmatch(step.name):
            hint = "Small letters, digits, '-' and '_', beginning with a letter; at most 40."
            raise InvalidInput(f"'{step.name[:80]}' is no name of a step", field="pipeline.steps", hint=hint)
        if step.name in seen:
            raise InvalidInput(f"two steps are called '{step.name}'", field="pipeline.steps", hint="Rename one.")
        seen.add(step.name)


def _check_step(step: StepDraft) -> None:
    above = f"pipeline.steps.{step.name}."
    check_params(step.params, f"{above}params")
    has_own = bool(step.command or step.function)
    if step.command and step.function:
        raise _wrong(step, "function", "it has a command and a function", "Keep one of them.")
    if has_own and not step.does.is_free:
        raise _wrong(step, "command", f"'{step.does}' is built in", "Take its command away, or let it do 'command'.")
    if not has_own and step.does in (Does.TRAIN, Does.COMMAND):
        raise _wrong(step, "command", "it has neither a command nor a function", "Write the command that does it.")
    if step.function and not FUNCTION.fullmatch(step.function):
        raise _wrong(step, "function", f"'{step.function[:80]}' names no function", "As in 'features.py:scale'.")
    if step.command:
        check_command(step.command, step.limits.timeout_s, above)
    if not has_own and (kind := PARAMS.get(step.does)) is not None:
        read(step, kind)
    _check_outputs(step, has_own)
    if len(step.metrics) > MAX_METRICS:
        raise _wrong(step, "metrics", f"it finds {len(step.metrics)} metrics", f"At most {MAX_METRICS}.")
    for name, expression in step.metrics.items():
        _check_expression(step, name, expression)


def _check_outputs(step: StepDraft, has_own: bool) -> None:
    if step.does in (Does.COMMAND, Does.CLEAN) and has_own and not step.outputs:
        raise _wrong(step, "outputs", "it says of no file that it leaves it", 'As in outputs = ["features.npz"].')
    if step.outputs and not (step.does in (Does.COMMAND, Does.CLEAN) and has_own):
        raise _wrong(step, "outputs", f"'{step.does}' leaves no files of its own", "Take its outputs away.")
    for path in (*step.outputs, *step.inputs, *step.channels.values()):
        if any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable() or "\\" in path:
            raise _wrong(step, "outputs", f"'{path[:80]}' is no plain path", "Relative, without '..'.")


def _check_expression(step: StepDraft, name: str, expression: str) -> None:
    if len(expression) > MAX_EXPRESSION_CHARS:
        what = f"its expression has {len(expression)} characters"
        raise _wrong(step, f"metrics.{name}", what, f"At most {MAX_EXPRESSION_CHARS}.")
    try:
        groups = re.compile(expression).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(step, f"metrics.{name}", f"it is no regular expression: {error}", "See Python's re.") from error
    if groups != 1:
        raise _wrong(step, f"metrics.{name}", f"it has {groups} groups", "One holds the number: 'loss=([0-9.]+)'.")


def _check_before(step: StepDraft, steps: Sequence[StepDraft]) -> None:
    """Raise InvalidInput where a step needs what no step before it makes."""
    earlier = before(steps, step.name)
    kinds = {one.does for one in earlier}
    if step.does in NEEDS_VERSION and not kinds & {*MAKES_VERSION}:
        raise _wrong(step, "needs", "no step before it trains a version", "Let it need the step that trains.")
    if step.does is Does.ROLL_OUT and Does.PACKAGE not in kinds:
        raise _wrong(step, "needs", "no step before it makes a release", "Let it need the step that packages.")
    if step.does in MAKES_VERSION and kinds & {*MAKES_VERSION}:
        raise _wrong(step, "does", "a step before it trains already", "A run makes one version: keep one of the two.")
    written = {path for one in earlier for path in one.outputs}
    for path in step.inputs:
        if path not in written and path not in SNAPSHOT_FILES and not _may_be_data(path, steps):
            raise _wrong(step, "inputs", f"no step before it writes '{path}'", "Add it to the outputs of one.")


def _may_be_data(path: str, steps: Sequence[StepDraft]) -> bool:
    """Whether a file may come with the snapshot: no step writes one of its name."""
    return "/" in path and not any(path in step.outputs for step in steps)


def _check_files(steps: Sequence[StepDraft]) -> None:
    writers: dict[str, str] = {}
    for step in steps:
        for path in step.outputs:
            if step.does is Does.CLEAN:
                continue  # these are a snapshot's
            if path in SNAPSHOT_FILES:
                raise _wrong(step, "outputs", f"'{path}' is the snapshot's", 'Rename it, or let the step do "clean".')
            if path in writers:
                raise _wrong(step, "outputs", f"step '{writers[path]}' writes '{path}' too", "Rename one of the two.")
            writers[path] = step.name


def _wrong(step: StepDraft, field: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"step '{step.name}': {what}", field=f"pipeline.steps.{step.name}.{field}", hint=hint)
