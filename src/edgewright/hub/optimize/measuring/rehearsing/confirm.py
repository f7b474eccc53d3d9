"""Runs a variant's golden vectors wherever this machine can: every runtime of its format, and an emulated processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.contract.api import ModelFormat, Place, Target
from edgewright.contract.errors import InvalidInput
from edgewright.hub.children import StepFailed, ask
from edgewright.hub.optimize.measuring.model import Engine, Rehearsal, RehearsalQuestion, Rows, Subject

ENGINES: Mapping[ModelFormat, tuple[Engine, ...]] = {
    ModelFormat.ONNX: (
        Engine(runtime="onnxruntime", provider="CPUExecutionProvider"),
        Engine(runtime="openvino", provider="CPU"),
    ),
    ModelFormat.TFLITE: (Engine(runtime="litert", provider="XNNPACK"), Engine(runtime="litert", provider="CPU")),
}
EMULATORS = {"qemu-aarch64": "arm64"}
"""The toolchain that has each emulator, for targets that name one."""

TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Here:
    """Where children work, and what ends them."""

    folder: Path
    is_cancelled: Callable[[], bool] | None


def confirm(
    subject: Subject,
    rows: Rows,
    golden: Path,
    goal: Target,
    folder: Path,
    toolchains: Mapping[str, Path],
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> tuple[Rehearsal, ...]:
    """How `golden` (made where the subject was measured) goes in each runtime here, and on the target's emulator.

    Runtimes that are not here are left out. An emulator that is not installed is told of, and holds nobody up; one
    that crashes on the model does. Raises Cancelled once `is_cancelled` says so.
    """
    here = Here(folder, is_cancelled)
    asked = RehearsalQuestion(
        model=subject.runnable,
        golden=str(golden),
        contract=rows.contract,
        tables=rows.tables,
        precision=subject.precision,
    )
    own = Engine(runtime=goal.runtime.name, provider=goal.runtime.provider)
    found = [
        _owned(_in_runtime(asked, engine, here), is_own=engine == own)
        for engine in dict.fromkeys((*ENGINES[subject.format], own))
    ]
    emulated = _owned(_emulated(asked, subject, goal, here, toolchains), is_own=True)
    return tuple(each for each in (*found, emulated) if each is not None)


def _owned(found: Rehearsal | None, *, is_own: bool) -> Rehearsal | None:
    return None if found is None else msgspec.structs.replace(found, is_own=is_own)


def _in_runtime(asked: RehearsalQuestion, engine: Engine, here: Here) -> Rehearsal | None:
    """None where this engine is not here."""
    try:
        return _ask(asked, here, engine=engine)
    except InvalidInput as error:
        if error.field == "target.runtime":
            return None
        return Rehearsal(place=Place.HUB, where=str(engine), holds=False, told=_not_run(error))
    except StepFailed as error:
        return Rehearsal(place=Place.HUB, where=str(engine), holds=False, told=_not_run(error))


def _not_run(error: InvalidInput | StepFailed) -> str:
    """Why there are no answers, in one line: of a runtime's long story, its end, where it names what it lacks."""
    lines = [line.strip(" -") for line in error.message.splitlines() if line.strip(" -")]
    return f"it does not run there: {lines[-1] if lines else error.code}"


def _emulated(
    asked: RehearsalQuestion, subject: Subject, goal: Target, here: Here, toolchains: Mapping[str, Path]
) -> Rehearsal | None:
    """None where the target names no emulator that we know."""
    name = EMULATORS.get(goal.emulator, "")
    if not name:
        return None
    if subject.format is not ModelFormat.ONNX or name not in toolchains:
        why = f"the toolchain {name} is not installed" if name not in toolchains else "that runs ONNX files alone"
        return Rehearsal(place=Place.EMULATOR, where=goal.emulator, holds=True, told=f"it was not emulated, as {why}")
    try:
        return _ask(asked, here, emulator=str(toolchains[name]))
    except (InvalidInput, StepFailed) as error:
        return Rehearsal(place=Place.EMULATOR, where=goal.emulator, holds=False, told=error.message)


def _ask(asked: RehearsalQuestion, here: Here, *, engine: Engine | None = None, emulator: str = "") -> Rehearsal:
    question = msgspec.structs.replace(asked, engine=engine or asked.engine, emulator=emulator)
    module = "edgewright.hub.optimize.measuring.rehearsing.rehearser"
    name = f"the golden vectors on {engine or 'the emulated machine'}"
    return ask(
        module,
        question,
        Rehearsal,
        name=name,
        folder=here.folder,
        timeout_s=TIMEOUT_S,
        is_cancelled=here.is_cancelled,
    )
