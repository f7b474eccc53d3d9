"""How the hub asks a child process to do one piece of work on model files, under limits, and how the child answers.

A question is a JSON argument; the answer is a line of JSON behind a mark, since runtimes write to stdout as they like.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from edgewright.contract.errors import Refused
from edgewright.hub.sandbox import GIB, PYTHON, run

T = TypeVar("T")

MARK = "edgewright-answer: "
MEMORY_BYTES = 6 * GIB
FILE_BYTES = 2 * GIB
TAIL_CHARS = 2000


class StepFailed(Refused):
    code = "step_failed"
    hint = "The run's error has the end of what the step printed."


def ask(module: str, question: msgspec.Struct, answer_type: type[T], *, name: str, folder: Path, timeout_s: float) -> T:
    """Run `python -m module QUESTION` in `folder` and return its answer.

    Raises StepFailed, which speaks of `name`, if the child crashes, hangs, takes too much memory or says nothing.
    """
    finished = run(
        [*PYTHON, "-m", module, msgspec.json.encode(question).decode()],
        cwd=folder,
        env={"TMPDIR": str(folder), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
        timeout_s=timeout_s,
        memory_bytes=MEMORY_BYTES,
        file_bytes=FILE_BYTES,
    )
    if not finished.is_ok:
        raise StepFailed(f"{name} {finished.explain()}: {finished.output[-TAIL_CHARS:].strip()}")
    lines = [line for line in finished.output.splitlines() if line.startswith(MARK)]
    try:
        return msgspec.json.decode(lines[-1].removeprefix(MARK) if lines else "", type=answer_type)
    except msgspec.MsgspecError as error:
        raise StepFailed(f"{name} gave no answer: {finished.output[-TAIL_CHARS:].strip()}") from error


def question(question_type: type[T]) -> T:
    """In the child: what was asked."""
    return msgspec.json.decode(sys.argv[1], type=question_type)


def answer(reply: msgspec.Struct) -> None:
    """In the child: give the answer."""
    sys.stdout.write(f"\n{MARK}{msgspec.json.encode(reply).decode()}\n")
