"""Which recipes to try on a model for a target, in order of promise, and why others are not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.contract.api import ModelFormat, Target
from edgewright.contract.errors import EdgewrightError, InvalidInput
from edgewright.hub.optimize.model import StepPlan
from edgewright.hub.optimize.search.ideas import IDEAS, Idea, Need
from edgewright.hub.optimize.search.recipe import ARROW, format_after, lines, parse
from edgewright.hub.optimize.steps.shelf import Shelf
from edgewright.hub.registry.inspect import SourceFacts

ATTENTION = frozenset({"MatMul", "Softmax", "Gather"})
CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv", "ConvTranspose"})
ABOUT_THE_MODEL = frozenset({Need.NETWORK, Need.DENSE, Need.ATTENTION, Need.LABELS})


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe to try."""

    steps: tuple[StepPlan, ...]
    why: str

    @property
    def recipe(self) -> tuple[str, ...]:
        """The steps as people read them."""
        return lines(self.steps)


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe that is not tried, and why."""

    recipe: tuple[str, ...]
    why: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to try, best first, and what not."""

    tries: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()


def choose(target: Target, facts: SourceFacts, source: ModelFormat, shelf: Shelf, *, has_labels: bool) -> Choice:
    """The ideas that make sense for a model on a target, as candidates, and those that are left out with a reason."""
    tries: list[Candidate] = []
    skipped: list[Skipped] = []
    has = _of_target(target) | _of_model(facts, has_labels)
    has.add(Need.FROM_TFLITE if source is ModelFormat.TFLITE else Need.FROM_ONNX)
    for idea in IDEAS:
        lacks = idea.needs - has
        recipe = _filled(idea, target)
        if lacks - ABOUT_THE_MODEL or (lacks and not idea.else_):
            continue  # nobody would expect it here
        why_not = idea.else_ if lacks else _misfit(recipe, target, source, shelf)
        if why_not:
            skipped.append(Skipped(recipe=_split(recipe), why=why_not))
        else:
            tries.append(Candidate(steps=parse(recipe, shelf.params_of), why=idea.why))
    tries = list({candidate.recipe: candidate for candidate in reversed(tries)}.values())[::-1]  # the first of equals
    return Choice(tries=tuple(tries), skipped=tuple(skipped))


def asked_for(recipes: Sequence[str], target: Target, source: ModelFormat, shelf: Shelf) -> Choice:
    """Those that somebody wrote, in their order.

    Raises NotFound and InvalidInput for one that cannot be understood; one whose tools are missing is left out.
    """
    tries: list[Candidate] = []
    skipped: list[Skipped] = []
    for text in dict.fromkeys(recipes):
        steps = parse(text, shelf.params_of)
        if missing := _missing(steps, shelf):
            skipped.append(Skipped(recipe=lines(steps), why=missing))
            continue
        _check_format(steps, target, source, shelf)
        tries.append(Candidate(steps=steps, why="asked for"))
    return Choice(tries=tuple(tries), skipped=tuple(skipped))


def _of_target(target: Target) -> set[Need]:
    runtimes = {"openvino": Need.OPENVINO}
    providers = {"TensorrtExecutionProvider": Need.TENSORRT}
    dtypes = {"float32": Need.FLOAT32, "float16": Need.FLOAT16, "bfloat16": Need.BFLOAT16}
    has = {Need.TFLITE if target.format is ModelFormat.TFLITE else Need.ONNX}
    has |= {need for name, need in runtimes.items() if target.runtime.name == name}
    has |= {need for name, need in providers.items() if target.runtime.provider == name}
    has |= {need for name, need in dtypes.items() if name in target.dtypes}
    if set(target.dtypes) != {"float32"}:
        has.add(Need.LESS)
    if target.quantisation is not None and "int8" in target.dtypes and Need.TENSORRT not in has:
        has.add(Need.INT8)  # TensorRT takes no biases in integers: its own step leaves them float
    is_ethos = target.accelerator is not None and target.accelerator.type.startswith("ethos")
    has.add(Need.ETHOS if is_ethos else Need.CORE)
    return has


def _of_model(facts: SourceFacts, has_labels: bool) -> set[Need]:
    types = set(facts.op_types)
    has = {Need.NETWORK} if facts.is_network else set()
    if not types & CONVOLUTIONS:
        has.add(Need.DENSE)
        if types >= ATTENTION:
            has.add(Need.ATTENTION)
    if has_labels:
        has.add(Need.LABELS)
    return has


def _filled(idea: Idea, target: Target) -> str:
    wants, beside = target.quantisation, target.accelerator
    words = {
        "weights": wants.weights if wants is not None else "s8",
        "activations": wants.activations if wants is not None else "u8",
        "accelerator": beside.config if beside is not None else "",
        "memory_mode": beside.memory_mode if beside is not None else "",
        "system_config": beside.system_config if beside is not None else "",
    }
    return idea.recipe.format(**words)


def _misfit(recipe: str, target: Target, source: ModelFormat, shelf: Shelf) -> str:
    """Why a recipe cannot be tried here; "" if it can."""
    try:
        steps = parse(recipe, shelf.params_of)
        if missing := _missing(steps, shelf):
            return missing
        _check_format(steps, target, source, shelf)
    except EdgewrightError as error:
        return error.message
    return ""


def _missing(steps: Sequence[StepPlan], shelf: Shelf) -> str:
    """Why a step of these cannot run here; "" if all can."""
    for step in steps:
        if step.name in shelf.missing or step.name not in shelf.abouts:
            return shelf.missing.get(step.name, f"there is no step '{step.name}'")
    return ""


def _check_format(steps: Sequence[StepPlan], target: Target, source: ModelFormat, shelf: Shelf) -> None:
    """Raise InvalidInput unless the recipe leaves what the target's runtime reads."""
    left = format_after([(step.name, shelf.abouts[step.name]) for step in steps], source)
    if left is not target.format:
        message = f"it leaves {left}, and {target.id} runs {target.format}"
        raise InvalidInput(message, field="recipes", hint="End it with the step that compiles for the target.")


def _split(recipe: str) -> tuple[str, ...]:
    return tuple(ARROW.split(recipe))
