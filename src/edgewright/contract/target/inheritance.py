"""Targets that inherit: a file says only what differs from its base, and the base what differs from its own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edgewright.contract.api.optimization import ModelFormat
from edgewright.contract.api.targets import Target
from edgewright.contract.target.reading import INHERITS, Sketch, misfit, wrong
from edgewright.contract.target.rules import FORMATS, problems


@dataclass(frozen=True)
class Resolved:
    """A whole target. `bases` are the ids of those it inherits from, the nearest first; `told_by` says for every field
    ('runtime.name') that its own file does not tell which of them does.
    """

    target: Target
    bases: tuple[str, ...]
    told_by: Mapping[str, str]


def resolve(sketch: Sketch, known: Mapping[str, Sketch]) -> Resolved:
    """The target that a file describes, with what it inherits from `known` ones, by id.

    Tables are joined field by field, lists replaced. Raises InvalidInput, which names file and field, for a base that
    is not there, a circle of bases, a field that nobody tells, and fields that contradict each other.
    """
    chain = [sketch, *_bases(sketch, known)]
    table: dict[str, Any] = {}
    told_by: dict[str, str] = {}
    for one in reversed(chain):
        table = _joined(table, one.table)
        told_by |= dict.fromkeys(_leaves(one.table), one.id)
    target = _whole(table, sketch.file)
    for problem in problems(target):
        origin = told_by.get(problem.field, sketch.id)
        told = f" (told by {origin})" if origin != sketch.id else ""
        raise wrong(sketch.file, problem.field, problem.what + told, problem.fix)
    if "format" not in told_by:  # it follows from the runtime
        told_by["format"] = told_by.get("runtime.name", sketch.id)
    inherited = {field: base for field, base in sorted(told_by.items()) if base != sketch.id}
    return Resolved(target=target, bases=tuple(one.id for one in chain[1:]), told_by=inherited)


def _bases(sketch: Sketch, known: Mapping[str, Sketch]) -> Iterator[Sketch]:
    seen = [sketch.id]
    here = sketch
    while here.base:
        if here.base in seen:
            circle = " → ".join([*seen[seen.index(here.base) :], here.base])
            raise wrong(sketch.file, INHERITS, f"it goes round in a circle: {circle}", "Leave one of them out.")
        if here.base not in known:
            near = difflib.get_close_matches(here.base, known, n=3, cutoff=0.5) or sorted(known)
            raise wrong(here.file, INHERITS, f"there is no target '{here.base[:80]}'", f"Known: {', '.join(near)}.")
        here = known[here.base]
        seen.append(here.id)
        yield here


def _joined(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both, the own fields before the base's."""
    both = dict(base)
    for name, value in own.items():
        both[name] = _joined(both.get(name, {}), value) if isinstance(value, dict) else value
    return both


def _leaves(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name


def _whole(table: dict[str, Any], file: str) -> Target:
    name = table.get("runtime", {}).get("name", "")
    if name and "format" not in table:
        if name not in FORMATS:
            kinds = " or ".join(ModelFormat)
            raise wrong(file, "format", f"it is missing, and the runtime '{name}' is not ours", f"Write {kinds}.")
        table["format"] = FORMATS[name].value
    try:
        return msgspec.convert(table, Target)
    except msgspec.ValidationError as error:
        raise misfit(file, error) from error
