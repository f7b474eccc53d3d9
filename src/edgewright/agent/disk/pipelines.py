"""Pipelines of two models: DIR/pipelines.json, written by people, and what each asks of its models' contracts.

The outputs of the first that are connected become inputs of the second. A pipeline takes the inputs of the first and
those of the second that are not connected (one array for both, where they bear the same name), and gives the outputs
of the second, and those of the first that the second does not name.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.tensors import Contract, TensorSpec

NAME = "pipelines.json"
FORMAT = 1
MAX_BYTES = 256 * 1024
MAX_PIPELINES = 64


class PipelineSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two models, and which input of the second is which output of the first."""

    stages: tuple[str, str]
    connect: dict[str, str]


class Pipelines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By name."""

    pipelines: dict[str, PipelineSpec] = {}
    format: int = FORMAT


def load(root: Path) -> dict[str, PipelineSpec]:
    """The pipelines of this device; raises InvalidInput that names the field."""
    try:
        with (root / NAME).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{NAME} has at most {MAX_BYTES} bytes", field=NAME)
    try:
        found = msgspec.json.decode(data, type=Pipelines)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{NAME}: {error}", field=NAME, hint="Mend the file, or remove it.") from error
    return _checked(found)


def join(first: Contract, second: Contract, connect: dict[str, str]) -> Contract:
    """The contract of the two as one. Raises InvalidInput where they do not fit together."""
    _check_connected(first, second, connect)
    inputs = {spec.name: spec for spec in first.inputs}
    for spec in second.inputs:
        if spec.name in connect:
            continue
        shared = inputs.setdefault(spec.name, spec)
        if not _fits(shared, spec):
            raise InvalidInput(f"both models take '{spec.name}', and not the same", field=f"connect.{spec.name}")
    named = {spec.name for spec in second.outputs}
    outputs = (*second.outputs, *(spec for spec in first.outputs if spec.name not in named))
    return Contract(inputs=tuple(inputs.values()), outputs=outputs)


def needs(first: Contract, second: Contract, connect: dict[str, str]) -> tuple[Contract, Contract]:
    """What later packages of the two must keep so that the pipeline goes on: all inputs, and what is connected.

    Raises InvalidInput where they do not fit together now.
    """
    _check_connected(first, second, connect)
    given = {spec.name: spec for spec in first.outputs}
    taken = {spec.name: spec for spec in second.inputs}
    kept = {connect[name]: _narrow(given[connect[name]], taken[name]) for name in connect}
    return (
        Contract(inputs=first.inputs, outputs=tuple(kept.values())),
        Contract(inputs=second.inputs, outputs=second.outputs),
    )


def _checked(found: Pipelines) -> dict[str, PipelineSpec]:
    if found.format != FORMAT:
        raise InvalidInput(f"{NAME} has format {found.format}; this agent reads {FORMAT}", field="format")
    if len(found.pipelines) > MAX_PIPELINES:
        raise InvalidInput(f"a device has at most {MAX_PIPELINES} pipelines", field="pipelines")
    for name, spec in found.pipelines.items():
        for word in (name, *spec.stages):
            if not is_plain_name(word):
                raise InvalidInput(f"'{word[:80]}' is no name", field=f"pipelines.{name[:80]}")
        if name in spec.stages or spec.stages[0] == spec.stages[1] or not spec.connect:
            told = "joins two different models under a name of its own, and connects something"
            raise InvalidInput(f"a pipeline {told}; '{name}' does not", field=f"pipelines.{name}")
    return found.pipelines


def _check_connected(first: Contract, second: Contract, connect: dict[str, str]) -> None:
    given = {spec.name: spec for spec in first.outputs}
    taken = {spec.name: spec for spec in second.inputs}
    for name, source in connect.items():
        field = f"connect.{name}"
        if name not in taken:
            raise InvalidInput(f"the second model has no input '{name}'; it takes {_names(taken)}", field=field)
        if source not in given:
            raise InvalidInput(f"the first model has no output '{source}'; it gives {_names(given)}", field=field)
        if not _fits(given[source], taken[name]):
            told = f"'{source}' is {_form(given[source])}, '{name}' takes {_form(taken[name])}"
            raise InvalidInput(told, field=field)


def _fits(given: TensorSpec, taken: TensorSpec) -> bool:
    if given.dtype is not taken.dtype or len(given.shape) != len(taken.shape):
        return False
    return all(a is None or b is None or a == b for a, b in zip(given.shape, taken.shape, strict=True))


def _narrow(given: TensorSpec, taken: TensorSpec) -> TensorSpec:
    """What is given, in the shape that is taken: an axis that either one fixes stays fixed."""
    shape = tuple(b if a is None else a for a, b in zip(given.shape, taken.shape, strict=True))
    return msgspec.structs.replace(given, shape=shape)


def _names(specs: dict[str, TensorSpec]) -> str:
    return ", ".join(specs) or "none"


def _form(spec: TensorSpec) -> str:
    return f"{spec.dtype} {'x'.join('any' if axis is None else str(axis) for axis in spec.shape)}"
