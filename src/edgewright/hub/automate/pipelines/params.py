"""What the built-in steps can be told: their parameters, typed and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from edgewright.contract.api import Does, GateDraft, StepDraft
from edgewright.contract.errors import InvalidInput

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
P = TypeVar("P", bound=msgspec.Struct)


class CollectParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask each device for `samples_per_device`, and wait for `min_labels`.

    With 0 samples nothing is asked for, and labels of earlier requests count. With 0 labels the dataset's newest
    snapshot is taken as it is.
    """

    samples_per_device: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 100
    min_labels: Count = 200


class CleanParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which training rows will not do.

    `ranges` adds bounds to those of the contract: a column's (`input` or `input.column`) smallest and largest value.
    `classes` are the labels that there may be; none: those of the contract, if it says. More than `max_dropped` of the
    rows dropped ends the run: then it is the data that is wrong.
    """

    ranges: dict[str, tuple[float, float]] = {}
    drops_duplicates: bool = True
    drops_missing: bool = True
    drops_conflicts: bool = True  # equal rows with different labels
    drops_held_out: bool = True  # rows that the hold-out has too
    classes: tuple[int, ...] = ()
    min_per_class: Count = 0
    max_dropped: Share = 0.5


class TransferParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the recipe step 'transfer' takes them; docs/reference/recipes.md."""

    classes: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    copies: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class EvaluateParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing: what a challenger has to show stands in [evaluation], [promotion] and [bias]."""


class OptimiseParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`targets`: those of [optimize] if none are named. `budget_s` is what each study may take."""

    targets: tuple[str, ...] = ()
    budget_s: Annotated[float, msgspec.Meta(gt=0, le=7 * 86_400)] = 60.0


class PackageParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`waits`: until people have signed and approved the release, or a policy has."""

    waits: bool = True


class RollOutParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the release goes; without a group it is left to people."""

    group: str = ""
    waves: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = (1,)
    gate: GateDraft = GateDraft()
    waits: bool = True


PARAMS: Mapping[Does, type[msgspec.Struct]] = {
    Does.COLLECT: CollectParams,
    Does.CLEAN: CleanParams,
    Does.TRANSFER: TransferParams,
    Does.EVALUATE: EvaluateParams,
    Does.OPTIMISE: OptimiseParams,
    Does.PACKAGE: PackageParams,
    Does.ROLL_OUT: RollOutParams,
}
"""Steps that are not here take whatever parameters their command understands."""


def read(step: StepDraft, kind: type[P]) -> P:
    """A step's parameters; raises InvalidInput, which names the one that is wrong."""
    try:
        return msgspec.convert(step.params, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$").lstrip(".")
        field = f"pipeline.steps.{step.name}.params" + (f".{key}" if key else "")
        known = ", ".join(field.name for field in msgspec.structs.fields(kind)) or "none"
        raise InvalidInput(
            f"step '{step.name}': {what[:1].lower()}{what[1:]}", field=field, hint=f"It takes: {known}."
        ) from error


def overridden(step: StepDraft, params: Mapping[str, Mapping[str, Any]]) -> StepDraft:
    """The step with those of its parameters that a run sets otherwise."""
    return msgspec.structs.replace(step, params={**step.params, **params.get(step.name, {})})
