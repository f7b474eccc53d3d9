"""What a command of the user's is given: files, folders, and the variables EW_* and SM_*. Pure.

The SM_ names and the form of the arguments are those of SageMaker's training toolkit (sagemaker_training: environment,
mapping), so that scripts written for it run as they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edgewright import TELEMETRY_OFF
from edgewright.contract.api import Does, FileRef, PipelineDraft, StepDraft
from edgewright.contract.api.tasks import HERE, Task

CODE, INPUT, MODEL, OUTPUT, PARENT = "code", "input", "model", "output", "parent"
PARENT_FILE = "model.onnx"
USUAL_CHANNELS = ("train", "training", "test", "validation")
HOST = "algo-1"
RUN_FUNCTION = ("python", "-m", "edgewright.steps")


def task_of(
    id: str,
    run: str,
    pipeline: PipelineDraft,
    step: StepDraft,
    *,
    data: Sequence[FileRef],
    parent: FileRef | None,
    params: Mapping[str, Any],
) -> Task:
    """The task of a step that a command or a function does. `data` are the files of EW_INPUT_DIR."""
    settings = {"seed": pipeline.seed, **params}
    inputs = (
        *(_under(CODE, file) for file in pipeline.code),
        *(_under(INPUT, file) for file in data),
        *((msgspec.structs.replace(parent, path=f"{PARENT}/{PARENT_FILE}"),) if parent else ()),
    )
    return Task(
        id=id,
        run=run,
        model=pipeline.model,
        step=step.name,
        command=(*_command(step), *(arguments(params) if step.has_arguments else ())),
        env={
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            **dict.fromkeys(TELEMETRY_OFF, "1"),
            "EW_INPUT_DIR": f"{HERE}/{INPUT}",
            "EW_MODEL_DIR": f"{HERE}/{MODEL}",
            "EW_OUTPUT_DIR": f"{HERE}/{OUTPUT}",
            "EW_PARAMS_JSON": msgspec.json.encode(settings).decode(),
            "EW_PARENT_MODEL": f"{HERE}/{PARENT}/{PARENT_FILE}" if parent else "",
            "EW_STEP": step.name,
            **sagemaker(params, data, step.channels),
        },
        cwd=CODE,
        inputs=inputs,
        folders=(CODE, INPUT, MODEL, OUTPUT),
        outputs=(MODEL,) if step.does is Does.TRAIN else (OUTPUT,),
        limits=step.limits,
        where=step.where,
    )


def sagemaker(params: Mapping[str, Any], data: Sequence[FileRef], channels: Mapping[str, str]) -> dict[str, str]:
    """The SM_ variables. A channel is a folder of EW_INPUT_DIR, or all of it for 'train' and its like without one."""
    folders = {file.path.partition("/")[0] for file in data if "/" in file.path}
    named = {
        **{name: name if name in folders else "" for name in (*USUAL_CHANNELS, *sorted(folders))},
        **channels,
    }
    places = {name: f"{HERE}/{INPUT}/{folder}".rstrip("/") for name, folder in named.items()}
    return {
        "SM_MODEL_DIR": f"{HERE}/{MODEL}",
        "SM_OUTPUT_DIR": f"{HERE}/{OUTPUT}",
        "SM_OUTPUT_DATA_DIR": f"{HERE}/{OUTPUT}",
        "SM_INPUT_DIR": f"{HERE}/{INPUT}",
        "SM_CHANNELS": _json(sorted(places)),
        **{f"SM_CHANNEL_{name.upper()}": place for name, place in places.items()},
        "SM_HPS": _json(dict(params)),
        **{f"SM_HP_{name.upper()}": _value(value) for name, value in params.items()},
        "SM_USER_ARGS": _json(arguments(params)),
        "SM_CURRENT_HOST": HOST,
        "SM_HOSTS": _json([HOST]),
        "SM_LOG_LEVEL": "20",
    }


def arguments(params: Mapping[str, Any]) -> list[str]:
    """`--name value` for each parameter, by name; one letter has one dash."""
    words = ((f"--{name}" if len(name) > 1 else f"-{name}", _argument(params[name])) for name in sorted(params))
    return [word for pair in words for word in pair]


def _command(step: StepDraft) -> tuple[str, ...]:
    return (*RUN_FUNCTION, step.function) if step.function else tuple(shlex.split(step.command))


def _under(folder: str, file: FileRef) -> FileRef:
    return msgspec.structs.replace(file, path=f"{folder}/{file.path}")


def _argument(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return "" if value is None else str(value)


def _value(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
