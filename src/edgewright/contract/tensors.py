"""The contract of a model: what goes in, what comes out, which apps declare and agents enforce."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType

from edgewright.contract.dtype import Dtype as Dtype
from edgewright.contract.preprocessing import Steps, Tensor, follow, name_of


class Kind(StrEnum):
    """What a tensor means, which decides how it is profiled and compared."""

    NUMERIC = "numeric"  # columns of measurements
    CATEGORICAL = "categorical"  # columns of words, or of whole numbers that stand for something
    AUDIO = "audio"  # rows of samples of a sound
    IMAGE = "image"  # rows of height x width pixels, flattened or not
    SCORES = "scores"  # one probability per class
    LABEL = "label"  # the index of the predicted class
    VALUE = "value"  # a regression's answer
    EMBEDDING = "embedding"  # a vector that places a row among others


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One named tensor.

    `shape` leaves out no axis; None stands for one of free length (the batch comes first). `names` are the
    column names of a NUMERIC or CATEGORICAL input or the class labels of SCORES and LABEL. An IMAGE has `height` and
    `width` in pixels. `low` and `high` say within which range a numeric input makes sense: one number for all columns
    or one for each, None for no bound. What lies outside is served all the same, and counted.
    """

    name: str
    dtype: Dtype
    shape: tuple[int | None, ...]
    kind: Kind = Kind.NUMERIC
    names: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    unit: str = ""
    low: tuple[float | None, ...] | UnsetType = UNSET
    high: tuple[float | None, ...] | UnsetType = UNSET


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Inputs and outputs of a model. `version` rises when apps must change to keep up.

    `inputs` are what apps pass; the steps of `preprocessing` lead from them to what the model itself takes.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    version: int = 1
    preprocessing: Steps = ()

    def input(self, name: str) -> TensorSpec | None:
        """The input of that name, or None."""
        return next((spec for spec in self.inputs if spec.name == name), None)

    def prepared(self) -> dict[str, Tensor]:
        """What there is after the last step, by name: the model takes its inputs from it.

        Raises InvalidInput, which names the step and its field, for steps that do not fit.
        """
        return follow(self.raw(), self.preprocessing)

    def raw(self) -> dict[str, Tensor]:
        """What apps pass, by name, as the first step finds it."""
        return {spec.name: Tensor(spec.dtype, spec.shape) for spec in self.inputs}

    def output_of(self, kind: Kind) -> TensorSpec | None:
        """The first output of that kind, or None."""
        return next((spec for spec in self.outputs if spec.kind is kind), None)


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
            else:
                found += _differences(where, Tensor(spec.dtype, spec.shape), other)
    return found


def misfits(contract: Contract, takes: tuple[TensorSpec, ...]) -> list[str]:
    """Say in sentences where what `contract` prepares is not what a model `takes` (empty: it is).

    Each begins with the field: of the step that wrote a tensor last, or of what apps pass. Raises InvalidInput for
    steps that do not even fit one another.
    """
    made = contract.prepared()
    writers = {name: place for place, step in enumerate(contract.preprocessing) for name in step.outputs}
    used = {spec.name for spec in takes} | {step.input for step in contract.preprocessing}
    have = ", ".join(sorted(spec.name for spec in takes)) or "none"
    found = [
        f"contract.inputs.{spec.name}: the model has no such tensor, and no step takes it; it has {have}"
        for spec in contract.inputs
        if spec.name not in used
    ]
    for spec in takes:
        place = writers.get(spec.name)
        if spec.name not in made:
            found.append(f"contract.inputs.{spec.name}: the model needs it; no app passes it, and no step makes it")
        elif place is None:
            found += _differences(f"contract.inputs.{spec.name}", made[spec.name], spec)
        elif _differences("", made[spec.name], spec):
            field = f"contract.preprocessing[{place}].output"
            step = f"step {place + 1}, {name_of(contract.preprocessing[place])}"
            given, wanted = _told(made[spec.name]), _told(Tensor(spec.dtype, spec.shape))
            found.append(f"{field}: {step}, makes {spec.name} as {given}, the model has {wanted}")
    return found


def _differences(where: str, wanted: Tensor, given: TensorSpec) -> list[str]:
    found = []
    if given.dtype is not wanted.dtype:
        found.append(f"{where}.dtype: the contract says {wanted.dtype}, the model has {given.dtype}")
    if not _fits(wanted.shape, given.shape):
        found.append(f"{where}.shape: the contract says {list(wanted.shape)}, the model has {list(given.shape)}")
    return found


def _told(tensor: Tensor) -> str:
    return f"{tensor.dtype} {['any' if axis is None else axis for axis in tensor.shape]}".replace("'", "")


def _fits(wanted: tuple[int | None, ...], given: tuple[int | None, ...]) -> bool:
    if len(wanted) != len(given):
        return False
    return all(w is None or g is None or w == g for w, g in zip(wanted, given, strict=True))
