"""What a person knows of a model and its file does not say: the `[contract]` of an edgewright.toml."""

from __future__ import annotations

import math

import msgspec

from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing import Steps
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.contract.wire import Count

FREE = -1
"""Stands for a free length in a hint's shape, since TOML knows no null."""


class TensorHint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a tensor; what is left out stays as it was inferred.

    `dtype` and `shape` (FREE for a free length; the rows come first) are for what steps read: what apps pass is then
    not what the model's file says. `low` and `high` are one number, or one for each column; inf for no bound.
    """

    kind: Kind | None = None
    names: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    unit: str = ""
    dtype: Dtype | None = None
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Refinement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hints by tensor name, the steps of preprocessing, and the contract's version (0: as it was)."""

    inputs: dict[str, TensorHint] = {}
    outputs: dict[str, TensorHint] = {}
    version: Count = 0
    preprocessing: Steps = ()


def refine(contract: Contract, refinement: Refinement) -> Contract:
    """Give an inferred contract, whose inputs are the model's own, what `refinement` knows.

    Where there are steps, the inputs become what apps pass: what the first steps read, and what no step writes.
    Raises InvalidInput where a hint names a tensor that is not there, or lacks what an input needs.
    """
    steps = refinement.preprocessing or contract.preprocessing
    passed = _passed(contract.inputs, refinement) if refinement.preprocessing else contract.inputs
    return msgspec.structs.replace(
        contract,
        inputs=_refined(passed, refinement.inputs, "contract.inputs", has_steps=bool(steps)),
        outputs=_refined(contract.outputs, refinement.outputs, "contract.outputs"),
        version=refinement.version or contract.version,
        preprocessing=steps,
    )


def _passed(takes: tuple[TensorSpec, ...], refinement: Refinement) -> tuple[TensorSpec, ...]:
    """What apps pass to a model that takes `takes`, as far as it is known without hints."""
    written: set[str] = set()
    read: dict[str, None] = {}
    for step in refinement.preprocessing:
        if step.input not in written:
            read[step.input] = None
        written |= set(step.outputs)
    own = {spec.name: spec for spec in takes}
    names = [
        *(name for name in own if name not in written or name in read),
        *(name for name in read if name not in own),
    ]
    return tuple(own[name] if name in own else _new(name, refinement.inputs.get(name)) for name in names)


def _new(name: str, hint: TensorHint | None) -> TensorSpec:
    """An input that only the steps know."""
    if hint is None or hint.dtype is None or not hint.shape:
        raise InvalidInput(
            f"a step reads '{name[:80]}', which the model does not have: what apps pass under that name is not known",
            field=f"contract.inputs.{name[:80]}",
            hint=f"Say it in edgewright.toml: [contract.inputs.{name[:80]}] with dtype and shape.",
        )
    return TensorSpec(name=name, dtype=hint.dtype, shape=())


def _refined(
    specs: tuple[TensorSpec, ...], hints: dict[str, TensorHint], where: str, *, has_steps: bool = False
) -> tuple[TensorSpec, ...]:
    known = {spec.name for spec in specs}
    for name, hint in hints.items():
        if name not in known:
            what = "apps pass no tensor" if has_steps else "the model has no tensor"
            raise InvalidInput(
                f"{what} {name!r}; there is {', '.join(sorted(known)) or 'none'}", field=f"{where}.{name}"
            )
        if not has_steps and (hint.dtype is not None or hint.shape):
            field = f"{where}.{name}.{'dtype' if hint.dtype is not None else 'shape'}"
            hint_text = "Leave it out, or declare the [[contract.preprocessing]] that leads there."
            raise InvalidInput(
                "without steps, type and shape are those of the model's file", field=field, hint=hint_text
            )
    return tuple(_with_hint(spec, hints[spec.name]) if spec.name in hints else spec for spec in specs)


def _with_hint(spec: TensorSpec, hint: TensorHint) -> TensorSpec:
    given = {field: value for field in hint.__struct_fields__ if (value := getattr(hint, field))}
    if hint.shape:
        given["shape"] = tuple(None if axis == FREE else axis for axis in hint.shape)
    for bound in {"low", "high"} & given.keys():
        given[bound] = tuple(value if math.isfinite(value) else None for value in given[bound])
    return msgspec.structs.replace(spec, **given)
