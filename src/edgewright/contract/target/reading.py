"""One TOML file of a target, checked field by field: names, types and values. It may leave out what a base tells."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.inspect import EnumType, StructType, Type, UnionType, VarTupleType, type_info

from edgewright.contract.api.targets import Target
from edgewright.contract.errors import InvalidInput
from edgewright.contract.wire import MAX_COUNT

INHERITS, ABSTRACT = "inherits", "abstract"
"""Fields of a file, beside those of a target: the id of its base, and whether it is a base alone."""

MAX_TEXT_CHARS = 400

_PLACE = re.compile(r"\A(?P<what>.*) - at `\$\.?(?P<field>[^`]*)`\Z", re.DOTALL)


@dataclass(frozen=True)
class Sketch:
    """What one file says. `table` holds the fields of a Target as TOML has them, without `inherits` and `abstract`."""

    file: str
    id: str
    base: str
    is_abstract: bool
    table: Mapping[str, Any]


def read(text: str, file: str) -> Sketch:
    """Read a target's TOML; `file` is its name in messages.

    Raises InvalidInput, which names file and field and says what to write instead, for what is no TOML, a field that
    does not exist, a wrong type, a value that is none of those known, and a target without an id.
    """
    table = _parse(text, file)
    base, is_abstract = table.pop(INHERITS, ""), table.pop(ABSTRACT, False)
    _check_names(table, file)
    for field, problem, fix in _odd_values(table, ""):
        raise wrong(file, field, problem, fix)
    part = _convert(table, file)
    if not isinstance(base, str):
        raise wrong(file, INHERITS, "it is not the id of a target", 'Write it as inherits = "cortex-m4".')
    if not isinstance(is_abstract, bool):
        raise wrong(file, ABSTRACT, "it is neither true nor false", "Write abstract = true, or leave it out.")
    if part.id is UNSET:
        raise wrong(file, "id", "it is missing", 'Write id = "…", in letters, digits and hyphens.')
    return Sketch(file=file, id=part.id, base=base, is_abstract=is_abstract, table=table)


def wrong(file: str, field: str, what: str, fix: str) -> InvalidInput:
    """The error that says which field of which file is wrong, and what to write."""
    return InvalidInput(f"{file}: {field}: {what}", field=field, hint=fix)


def misfit(file: str, error: msgspec.ValidationError) -> InvalidInput:
    """What msgspec found wrong, in our words: 'Expected `int`, got `str` - at `$.opset`'."""
    found = _PLACE.match(str(error))
    what, field = (found["what"], found["field"]) if found else (str(error), "")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", what):
        field = f"{field}.{missing[1]}".lstrip(".")
        return wrong(file, field, "it is missing", f"Add it, or inherit it from a base: {INHERITS} = …")
    if "matching regex" in what:
        return wrong(file, field, "it is no name", "Write letters, digits, hyphens, dots and _, at most 60.")
    return wrong(file, field, what[:1].lower() + what[1:].replace("`", "'"), _fix(field))


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of too many digits, or brackets
        raise InvalidInput(f"{file}: it is no TOML: {error}", field="toml", hint="See https://toml.io.") from error


def _check_names(table: Mapping[str, Any], file: str) -> None:
    for field, known in _unknown(table, _fields(type_info(Target)), ""):
        near = difflib.get_close_matches(field.rpartition(".")[2], known, n=1, cutoff=0.6)
        fix = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(known))}."
        raise wrong(file, field, "there is no such field", fix)


def _unknown(table: Mapping[str, Any], fields: Mapping[str, Type], path: str) -> Iterator[tuple[str, list[str]]]:
    """The fields of the file that a target does not have, and those that it has in that place."""
    for name, value in table.items():
        if name not in fields:
            yield path + name, [*fields, *(() if path else (INHERITS, ABSTRACT))]
        elif isinstance(value, dict):
            yield from _unknown(value, _fields(fields[name]), f"{path}{name}.")


def _odd_values(value: object, field: str) -> Iterator[tuple[str, str, str]]:
    """Numbers that are below 0 or that JSON cannot carry, and texts that no terminal shows in a line."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _odd_values(inner, f"{field}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _odd_values(inner, field)
    elif isinstance(value, int | float) and not 0 <= value <= MAX_COUNT:
        yield field, f"it is no number from 0 to {MAX_COUNT}", "Write 0, or leave it out, where it is not known."
    elif isinstance(value, str) and not (len(value) <= MAX_TEXT_CHARS and (value.isprintable() or not value)):
        yield field, f"it is no line of at most {MAX_TEXT_CHARS} characters", "Write it shorter, without line ends."


def _convert(table: Mapping[str, Any], file: str) -> Any:
    try:
        return msgspec.convert(table, _PART)
    except msgspec.ValidationError as error:
        raise misfit(file, error) from error


def _fix(field: str) -> str:
    """What may stand in a field of few values; '' for others."""
    kind: Type | None = type_info(Target)
    for name in re.sub(r"\[\d+\]", ".*", field).split("."):
        kind = kind.item_type if isinstance(kind, VarTupleType) else _fields(kind).get(name)
    return f"Write one of {', '.join(member.value for member in kind.cls)}." if isinstance(kind, EnumType) else ""


def _fields(kind: Type | None) -> dict[str, Type]:
    """The fields of a struct, or of one that may be left out, by their names in TOML."""
    if isinstance(kind, UnionType):
        kind = next(one for one in kind.types if isinstance(one, StructType))
    return {field.encode_name: field.type for field in kind.fields} if isinstance(kind, StructType) else {}


def _partial(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same struct with every field left out at will, in its tables too."""
    fields, names = [], {}
    for field in msgspec.structs.fields(kind):
        part = next((one for one in _alternatives(field.type) if _is_struct(one)), None)
        fields.append((field.name, (_partial(part) if part else field.type) | UnsetType, UNSET))
        names[field.name] = field.encode_name
    return msgspec.defstruct(f"Partial{kind.__name__}", fields, rename=names, kw_only=True, forbid_unknown_fields=True)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__args__", (kind,)) if not hasattr(kind, "__origin__") else (kind,)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


_PART = _partial(Target)
