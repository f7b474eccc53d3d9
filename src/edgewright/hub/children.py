"""How the hub asks a child process to do one piece of work on model files, under limits, and how the child answers.

A question is a JSON argument; the answer is a line of JSON behind a mark, since runtimes write to stdout as they like.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from edgewright.contract.errors import EdgewrightError, ErrorBody, InvalidInput, Refused, to_body
from edgewright.hub.sandbox import GIB, PYTHON, run

T = TypeVar("T")
Q = TypeVar("Q")

MARK = "edgewright-answer: "
MEMORY_BYTES = 6 * GIB
FILE_BYTES = 2 * GIB
ANSWER_BYTES = 16 * 1024**2
"""Room for an answer with a number for every row of a large hold-out."""
TAIL_CHARS = 2000


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The line that the child writes: one of the two."""

    answer: msgspec.Raw = msgspec.Raw(b"null")
    refusal: ErrorBody | None = None


class StepFailed(Refused):
    code = "step_failed"
    hint = "The run's error has the end of what the step printed."


class Cancelled(Refused):
    """Somebody cancelled what a child was doing; it was killed."""

    code = "cancelled"


def ask(
    module: str,
    question: msgspec.Struct,
    answer_type: type[T],
    *,
    name: str,
    folder: Path,
    timeout_s: float,
    memory_bytes: int = MEMORY_BYTES,
    is_cancelled: Callable[[], bool] | None = None,
) -> T:
    """Run `python -m module QUESTION` in `folder` and return its answer.

    Raises InvalidInput if the child refuses what it was given, in its words, StepFailed, which speaks of `name`, if it
    crashes, hangs, takes too much memory (address space) or says nothing that fits, and Cancelled once `is_cancelled`
    says so.
    """
    finished = run(
        [*PYTHON, "-m", module, msgspec.json.encode(question).decode()],
        cwd=folder,
        env={"TMPDIR": str(folder), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", **_shared()},
        timeout_s=timeout_s,
        memory_bytes=memory_bytes,
        file_bytes=FILE_BYTES,
        max_output_bytes=ANSWER_BYTES,
        is_cancelled=is_cancelled,
    )
    if finished.is_cancelled:
        raise Cancelled(f"{name} {finished.explain()}")
    if not finished.is_ok:
        raise StepFailed(f"{name} {finished.explain()}: {finished.output[-TAIL_CHARS:].strip()}")
    reply = _reply(finished.output, name)
    if reply.refusal is not None:
        raise InvalidInput(reply.refusal.message, field=reply.refusal.field, hint=reply.refusal.hint)
    try:
        return msgspec.json.decode(reply.answer, type=answer_type)
    except msgspec.MsgspecError as error:  # such as a number that is none, which JSON tells as null
        raise StepFailed(f"{name} gave an answer that makes no sense: {error}") from error


def serve(act: Callable[[Q], msgspec.Struct], question_type: type[Q]) -> None:
    """In the child: answer what was asked, or say why not."""
    try:
        reply = Reply(
            answer=msgspec.Raw(msgspec.json.encode(act(msgspec.json.decode(sys.argv[1], type=question_type))))
        )
    except EdgewrightError as error:
        reply = Reply(refusal=to_body(error).error)
    sys.stdout.write(f"\n{MARK}{msgspec.json.encode(reply).decode()}\n")


def _shared() -> dict[str, str]:
    """What lets the child find the plug-ins that the hub finds."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def _reply(output: str, name: str) -> Reply:
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    try:
        return msgspec.json.decode(lines[-1].removeprefix(MARK) if lines else "", type=Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StepFailed(f"{name} gave no answer: {output[-TAIL_CHARS:].strip()}") from error
