"""Recipes as people write them: 'clean → static-int8 per_channel=true', read and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from edgewright.contract.api import ModelFormat
from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import StepPlan
from edgewright.hub.optimize.steps import About

ARROW = re.compile(r"\s*(?:→|->)\s*")
MAX_STEPS = 12
ParamsOf = Callable[[StepPlan], msgspec.Struct]
"""A plan's parameters, checked by its step; raises NotFound, or InvalidInput that names step and parameter."""


def parse(text: str, params_of: ParamsOf) -> tuple[StepPlan, ...]:
    """The steps of a recipe, joined by '→' or '->', each a name and 'parameter=value' words.

    Raises NotFound for a step that is not there and InvalidInput for everything else, which names step and parameter.
    """
    if not text.strip():
        raise InvalidInput("a recipe names no step", field="recipes")
    parts = ARROW.split(text.strip())
    if len(parts) > MAX_STEPS:
        raise InvalidInput(f"a recipe has at most {MAX_STEPS} steps", field="recipes")
    return tuple(_typed(_plan(part, text), params_of) for part in parts)


def lines(steps: Sequence[StepPlan]) -> tuple[str, ...]:
    """The steps as people read them."""
    return tuple(str(step) for step in steps)


def title(recipe: Sequence[str]) -> str:
    """A recipe in one line; the empty one is the source itself."""
    return " → ".join(recipe) or "the source itself"


def format_after(steps: Sequence[tuple[str, About]], source: ModelFormat) -> ModelFormat:
    """What file a recipe leaves; raises InvalidInput where a step takes another one than it gets."""
    has = source
    for name, about in steps:
        if about.takes is not has:
            raise InvalidInput(f"step {name} takes {about.takes} files and would get {has}", field=f"recipe.{name}")
        has = about.gives
    return has


def _plan(part: str, text: str) -> StepPlan:
    if not part:
        raise InvalidInput(f"a step is missing beside an arrow in '{text[:120]}'", field="recipes")
    step, *words = part.split()
    params: dict[str, bool | int | float | str] = {}
    for word in words:
        parameter, equals, value = word.partition("=")
        if not (parameter and equals and value):
            hint = "Parameters are written parameter=value, as in 'static-int8 per_channel=true'."
            raise InvalidInput(f"step {step}: '{word[:60]}' is no parameter", field=f"recipe.{step}", hint=hint)
        if parameter in params:
            raise InvalidInput(f"step {step}: {parameter} is set twice", field=f"recipe.{step}")
        params[parameter] = value
    return StepPlan(name=step, params=params)


def _typed(plan: StepPlan, params_of: ParamsOf) -> StepPlan:
    """The plan with its parameters in the step's own types: 'true' becomes True."""
    whole = msgspec.to_builtins(params_of(plan))
    return StepPlan(name=plan.name, params={name: whole[name] for name in plan.params})
