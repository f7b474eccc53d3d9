"""The [[trigger]] tables of a project, as what the hub is asked to set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from edgewright.contract.api import TriggerDraft, When
from edgewright.contract.errors import InvalidInput

Table = Mapping[str, Any]
KEYS = tuple(name for name in TriggerDraft.__struct_fields__ if name != "model")


def triggers_of(tables: Sequence[Table], model: str, file: Path) -> tuple[TriggerDraft, ...]:
    """One trigger for each table of `file`.

    Raises InvalidInput, which names the table and the key, and the key that was perhaps meant.
    """
    drafts = tuple(_trigger_of(table, f"trigger[{place}]", model, file) for place, table in enumerate(tables))
    names = [draft.name for draft in drafts]
    for place, name in enumerate(names):
        if name in names[:place]:
            hint = "Names are one hub's: begin them with the model's."
            raise InvalidInput(f"{file}: two triggers are called {name}", field=f"trigger[{place}].name", hint=hint)
    return drafts


def _trigger_of(table: Table, where: str, model: str, file: Path) -> TriggerDraft:
    _check_keys(table, KEYS, where, file)
    when = table.get("when")
    if isinstance(when, dict) and (fields := _fields_of(when.get("on"))) is not None:
        _check_keys(when, ("on", *fields), f"{where}.when", file)
    try:
        return msgspec.convert({**table, "model": model}, TriggerDraft)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at ")
        key = at.strip("`").removeprefix("$")
        message = f"{file}: {what[:1].lower()}{what[1:]}"
        raise InvalidInput(message, field=f"{where}{key}", hint=f"Mend {where}{key} there.") from error


def _fields_of(tag: object) -> tuple[str, ...] | None:
    """The keys that go with a kind of trigger; None where there is no such kind."""
    return next((kind.__struct_fields__ for kind in get_args(When) if kind.__struct_config__.tag == tag), None)


def _check_keys(table: Table, known: Sequence[str], where: str, file: Path) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
            raise InvalidInput(f"{file}: there is no key {where}.{key}", field=f"{where}.{key}", hint=hint)
