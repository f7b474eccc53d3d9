"""The contract of a model: what goes in, what comes out, which apps declare and agents enforce."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.errors import InvalidInput


class Dtype(StrEnum):
    """Element types that a contract may name (numpy's names)."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    FLOAT16 = "float16"
    INT64 = "int64"
    INT32 = "int32"
    INT8 = "int8"
    UINT8 = "uint8"
    BOOL = "bool"
    STRING = "str"


class Kind(StrEnum):
    """What a tensor means, which decides how it is profiled and compared."""

    NUMERIC = "numeric"  # columns of measurements
    IMAGE = "image"  # rows of height x width pixels, flattened or not
    SCORES = "scores"  # one probability per class
    LABEL = "label"  # the index of the predicted class
    VALUE = "value"  # a regression's answer


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One named tensor.

    `shape` leaves out no axis; None stands for one of free length (the batch comes first). `names` are the
    column names of a NUMERIC input or the class labels of SCORES and LABEL. An IMAGE has `height` and `width`
    in pixels.
    """

    name: str
    dtype: Dtype
    shape: tuple[int | None, ...]
    kind: Kind = Kind.NUMERIC
    names: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    unit: str = ""


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs and outputs of a model. `version` rises when apps must change to keep up."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    version: int = 1

    def input(self, name: str) -> TensorSpec | None:
        """The input of that name, or None."""
        return next((spec for spec in self.inputs if spec.name == name), None)

    def output_of(self, kind: Kind) -> TensorSpec | None:
        """The first output of that kind, or None."""
        return next((spec for spec in self.outputs if spec.kind is kind), None)


class TensorHint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person knows of a tensor and its file does not say; what is left out stays as it was inferred."""

    kind: Kind | None = None
    names: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    unit: str = ""


class Refinement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hints by tensor name: the `[contract]` of an edgewright.toml."""

    inputs: dict[str, TensorHint] = {}
    outputs: dict[str, TensorHint] = {}


def refine(contract: Contract, refinement: Refinement) -> Contract:
    """Give the tensors of an inferred contract the meaning that `refinement` knows.

    Raises InvalidInput where it names a tensor that the model does not have.
    """
    return msgspec.structs.replace(
        contract,
        inputs=_refined(contract.inputs, refinement.inputs, "contract.inputs"),
        outputs=_refined(contract.outputs, refinement.outputs, "contract.outputs"),
    )


def differences(wanted: Contract, given: Contract) -> list[str]:
    """Say in sentences where `given` does not satisfy `wanted` (empty: it does). Each begins with the field."""
    found: list[str] = []
    for side in ("inputs", "outputs"):
        have = {spec.name: spec for spec in getattr(given, side)}
        for spec in getattr(wanted, side):
            other = have.get(spec.name)
            where = f"contract.{side}.{spec.name}"
            if other is None:
                found.append(f"{where}: the model has no such tensor; it has {', '.join(sorted(have)) or 'none'}")
                continue
            if other.dtype is not spec.dtype:
                found.append(f"{where}.dtype: the contract says {spec.dtype}, the model has {other.dtype}")
            if not _fits(spec.shape, other.shape):
                found.append(f"{where}.shape: the contract says {list(spec.shape)}, the model has {list(other.shape)}")
    return found


def _refined(specs: tuple[TensorSpec, ...], hints: dict[str, TensorHint], where: str) -> tuple[TensorSpec, ...]:
    known = {spec.name for spec in specs}
    for name in hints:
        if name not in known:
            raise InvalidInput(
                f"the model has no tensor {name!r}; it has {', '.join(sorted(known)) or 'none'}",
                field=f"{where}.{name}",
            )
    return tuple(_with_hint(spec, hints[spec.name]) if spec.name in hints else spec for spec in specs)


def _with_hint(spec: TensorSpec, hint: TensorHint) -> TensorSpec:
    given = {field: value for field in hint.__struct_fields__ if (value := getattr(hint, field))}
    return msgspec.structs.replace(spec, **given)


def _fits(wanted: tuple[int | None, ...], given: tuple[int | None, ...]) -> bool:
    if len(wanted) != len(given):
        return False
    return all(w is None or g is None or w == g for w, g in zip(wanted, given, strict=True))
