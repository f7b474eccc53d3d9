"""What people type, as values: references, durations, labels, waves, and files in JSON. Raises UsageError."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.contract.api import LabelEdit
    from edgewright.contract.manifest import Dependency, Role

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)

BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def version_of(client: Client, reference: str) -> tuple[str, int]:
    """'digits@3' as ('digits', 3); a bare 'digits' means its newest version."""
    name, at, number = reference.partition("@")
    if not at:
        return name, _newest(client, name)
    if not name or not number.isdecimal():
        raise _usage(f"{reference!r} is not a version", "model", "Write it as digits@3, or digits for the newest.")
    return name, int(number)


def release_of(reference: str) -> tuple[str, int]:
    """'digits/4' as ('digits', 4)."""
    name, slash, counter = reference.rpartition("/")
    if not slash or not name or not counter.isdecimal():
        raise _usage(f"{reference!r} is not a release", "release", "Write it as digits/4: model and counter.")
    return name, int(counter)


def seconds_of(text: str, field: str) -> float:
    """'90', '90s', '15min', '1h' or '2d' in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip())
    if found is None or found.group(2) not in SECONDS:
        raise _usage(f"{text!r} is not a time span", field, "Write it as 90s, 15min, 1h or 2d.")
    return float(found.group(1)) * SECONDS[found.group(2)]


def word_of(kind: type[W], text: str, field: str) -> W:
    """One word of a closed set."""
    try:
        return kind(text)
    except ValueError as error:
        raise _usage(f"{text!r} is none of its words", field, f"Choose from {', '.join(kind)}.") from error


def bytes_of(text: str, field: str) -> int:
    """'250000', '250kB', '1.5 MB' or '512KiB' in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if found is None or found.group(2).lower() not in BYTES:
        raise _usage(f"{text!r} is not a size", field, "Write it as 250kB, 1.5MB or 512KiB.")
    return round(float(found.group(1)) * BYTES[found.group(2).lower()])


def share_of(text: str, field: str) -> float:
    """'0.5%' or '0.005' as a share."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    share = float(found.group(1)) / (100 if found.group(2) else 1) if found else 2.0
    if share > 1:
        raise _usage(f"{text!r} is not a share", field, "Write it as 0.5% or 0.005.")
    return share


def waves_of(text: str) -> tuple[int, ...]:
    """'1,3,8' as (1, 3, 8)."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise _usage(f"{text!r} is no list of waves", "waves", "Write rising device counts: --waves 1,3,8.")
    return tuple(int(part) for part in parts)


def labels_of(items: Sequence[str], field: str = "label") -> dict[str, str]:
    """['site=berlin'] as {'site': 'berlin'}."""
    labels: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise _usage(f"{item!r} is not of the form name=value", field, f"Write --{field} site=berlin.")
        labels[name] = value
    return labels


def edit_of(items: Sequence[str]) -> LabelEdit:
    """['site=berlin', 'line-'] as labels to set and to take off."""
    from edgewright.contract.api import LabelEdit

    gone = tuple(item[:-1] for item in items if item.endswith("-") and "=" not in item)
    given = [item for item in items if not (item.endswith("-") and "=" not in item)]
    labels: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise _usage(f"{item!r} changes no label", "label", "Write site=berlin to set one, line- to take one off.")
        labels[name] = value
    return LabelEdit(set=labels, remove=gone)


def needs_of(items: Sequence[str]) -> tuple[Dependency, ...]:
    """['plates>=3'] as what a package depends on; a bare name means any release."""
    from edgewright.contract.manifest import Dependency

    needs = []
    for item in items:
        model, at_least, counter = item.partition(">=")
        if not model or (at_least and not counter.isdecimal()):
            raise _usage(
                f"{item!r} is not what a package can need", "needs", "Write it as plates>=3: model and counter."
            )
        needs.append(Dependency(model=model, minimum_counter=int(counter or 1)))
    return tuple(needs)


def files_of(items: Sequence[str]) -> list[tuple[Path, Role]]:
    """['names.txt:labels'] as path and role."""
    from edgewright.contract.manifest import Role

    files = []
    for item in items:
        path, colon, role = item.rpartition(":")
        if not colon or not path or role not in ("labels", "asset"):
            hint = "Write it as FILE:labels or FILE:asset."
            raise _usage(f"{item!r} does not say what the file is for", "file", hint)
        files.append((Path(path), Role(role)))
    return files


def read_json(path: Path, kind: type[T], field: str) -> T:
    """A JSON file as a typed value; raises InvalidInput, which names the file and the place in it."""
    import msgspec

    from edgewright.contract.errors import InvalidInput

    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", field=field) from error
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"{path}: {error}", field=field) from error


def _newest(client: Client, model: str) -> int:
    latest = client.models.get(model).latest
    if latest == 0:
        raise _usage(
            f"model {model} has no version yet", "model", f"edgewright model register FILE.onnx --name {model}"
        )
    return latest


def _usage(message: str, field: str, hint: str) -> Exception:
    from edgewright.contract.errors import UsageError

    return UsageError(message, field=field, hint=hint)
