"""The plan of a rollout as a file: TOML that people read, change and keep beside their code.

docs/reference/rollout-plans.md tells every field.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edgewright.contract.api import RolloutDraft, WaveDraft
from edgewright.contract.errors import InvalidInput

FORMAT = 1
HEAD = "# The plan of a rollout. Every field: docs/reference/rollout-plans.md\n"
ASKED = ("release", "group", "waves")
WAVE_HINT = "Write a wave as 5 (devices), 10% or a selector: site=berlin."
_COUNT = re.compile(r"[0-9]{1,9}")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_COMPARES = re.compile(r"[=<>]")


def read(path: Path) -> RolloutDraft:
    """The draft in a file; raises InvalidInput, which names the file and the key."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: {error}", field="file") from error
    if (found := tree.pop("format", FORMAT)) != FORMAT:
        raise InvalidInput(f"{path}: format {found} is not known; this program reads {FORMAT}", field="format")
    tree["waves"] = [_wave(wave) for wave in _listed(tree, "waves")]
    try:
        draft = msgspec.convert(_timed(tree), RolloutDraft)
        _check_known(tree, _plain(draft), "")
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise InvalidInput(f"{path}: {what}", field=where.rstrip("`") or "file") from error
    return draft


def write(draft: RolloutDraft) -> str:
    """The file for a draft: what is as it is without saying is left out. `read` gives the same plan again."""
    plain = _plain(draft)
    if not all(isinstance(wave, int) for wave in draft.waves):
        plain["waves"] = [{"count": wave} if isinstance(wave, int) else wave for wave in plain["waves"]]
    blank = _plain(RolloutDraft(release="", group="", waves=()))
    told = {name: value for name, value in plain.items() if name in ASKED or value != blank[name]}
    tables = {name: value for name, value in told.items() if isinstance(value, dict) or _is_tables(value)}
    lines = [f"format = {FORMAT}", *(f"{name} = {_value(told[name])}" for name in told if name not in tables)]
    for name, value in tables.items():
        for one in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{name}]]" if isinstance(value, list) else f"[{name}]", *_fields(one, blank, name)]
    return HEAD + "\n".join(lines) + "\n"


def wave_of(text: str) -> WaveDraft:
    """'5', '10%' or a selector ('site=berlin') as a wave; raises InvalidInput."""
    text = text.strip()
    if _COUNT.fullmatch(text):
        return WaveDraft(count=int(text))
    if found := _PERCENT.fullmatch(text):
        return WaveDraft(percent=float(found[1]))
    if _COMPARES.search(text):
        return WaveDraft(selector=text)
    raise InvalidInput(f"'{text[:60]}' is no wave", field="waves", hint=WAVE_HINT)


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(struct))
    return found


def _listed(tree: Mapping[str, Any], name: str) -> list[Any]:
    found = tree.get(name, [])
    if not isinstance(found, list):
        raise InvalidInput(f"{name} is a list", field=name, hint=WAVE_HINT)
    return found


def _wave(wave: Any) -> Any:
    return _plain(wave_of(wave)) if isinstance(wave, str) else wave


def _timed(tree: dict[str, Any]) -> dict[str, Any]:
    """With `schedule.start_at` in seconds since the epoch; a time without an offset is UTC."""
    schedule = tree.get("schedule")
    if isinstance(schedule, dict) and isinstance(at := schedule.get("start_at"), datetime):
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return tree | {"schedule": schedule | {"start_at": at.timestamp()}}
    return tree


def _check_known(given: Any, known: Any, path: str) -> None:
    """Raise InvalidInput for a key that no plan has."""
    if isinstance(given, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True), 1):
            _check_known(one, other, f"{path}.{number}")
    elif isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            where = f"{path}.{key}".lstrip(".")
            if key not in known:
                raise InvalidInput(f"no plan has '{where}'", field=where, hint=f"Known are {', '.join(known)}.")
            _check_known(value, known[key], where)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _fields(given: Mapping[str, Any], blank: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table's lines; what a wave, a gate or a schedule says without being told is left out."""
    usual = _plain(WaveDraft()) if name == "waves" else blank.get(name)
    usual = usual if isinstance(usual, dict) else {}
    for key, value in given.items():
        if value is not None and (key not in usual or value != usual[key]):
            yield f"{_key(key)} = {_moment(value) if key == 'start_at' else _value(value)}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    """A TOML value: its strings are those of JSON."""
    if isinstance(value, dict):
        inner = (f"{_key(key)} = {_value(one)}" for key, one in value.items() if one is not None)
        return "{ " + ", ".join(inner) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
