"""Writes targets as TOML: whole ones, and beginnings of one's own that show what they inherit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from edgewright.contract.api.targets import Target
from edgewright.contract.target.reading import INHERITS

_HEAD = """\
# It inherits from {base}: lines that are commented out say what.
# Change what differs and take its # away, and that of the [heading] above it.
# All fields: docs/reference/targets.md. Then: edgewright target add {file}
"""


def fields(target: Target) -> dict[str, Any]:
    """A target's fields as TOML has them, without those that say nothing."""
    table: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(target))
    return {name: value for name, value in table.items() if value not in (None, "", [], 0)}


def write(table: Mapping[str, Any]) -> str:
    """TOML of a table whose tables hold no tables: first plain fields, then each table under its heading."""
    plain = [f"{name} = {value_text(value)}" for name, value in table.items() if not isinstance(value, dict)]
    parts = ["\n".join(plain)]
    for name, inner in table.items():
        if isinstance(inner, dict):
            parts.append("\n".join([f"[{name}]", *(f"{key} = {value_text(one)}" for key, one in inner.items())]))
    return "\n\n".join(parts) + "\n"


def begin(target_id: str, base: Target, file: str) -> str:
    """A target that inherits everything from `base`, with what it inherits in comments."""
    table = fields(base)
    table.pop("id")
    own = {"id": target_id, "title": f"{table.pop('title')} (ours)", INHERITS: base.id}
    inherited = "".join(f"# {line}\n" if line else "#\n" for line in write(table).splitlines())
    return _HEAD.format(base=base.id, file=file) + write(own) + "\n" + inherited


def value_text(value: Any) -> str:
    """A value as TOML writes it; numbers above 9999 in groups of three digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) > 9999 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {value_text(one)}" for name, one in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(list(map(value_text, value)))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(items: list[str]) -> str:
    """In one line where it fits."""
    line = f"[{', '.join(items)}]"
    return line if len(line) <= 100 else "[\n" + "".join(f"  {row}\n" for row in _rows(items)) + "]"


def _rows(items: list[str]) -> Iterator[str]:
    row = ""
    for item in items:
        if row and len(row) + len(item) > 108:
            yield row.rstrip()
            row = ""
        row += f"{item}, "
    yield row.rstrip()
