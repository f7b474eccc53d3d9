"""What apps on this device require of models: DIR/apps/<model>/<user>-<app>.json, written by the apps themselves.

The agent reads them when an install is offered. A declaration outlasts its app, which need not run at that moment;
it goes when it is forgotten, and is written again when the app starts.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract import requirement
from edgewright.contract.errors import EdgewrightError, HostileInput, InvalidInput, NotFound, Refused
from edgewright.contract.requirement import Wanted
from edgewright.contract.tensors import Contract
from edgewright.contract.wire import Count, ModelName, Moment, read_json

FOLDER = "apps"
FORMAT = 1
MAX_DECLARATION_BYTES = 256 * 1024
MAX_DECLARATIONS = 64
"""For one model: what any program may write must not keep the agent busy."""

_APP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
AppName = Annotated[str, msgspec.Meta(pattern=rf"\A{_APP.pattern}\Z")]


class TooManyApps(Refused):
    code = "too_many_apps"
    hint = "`edgewright-agent models forget APP` removes those that are gone."


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One app's requirement of one model: a version's in words ("" for any), or the tensors of a contract."""

    app: AppName
    model: ModelName
    required: str = ""
    contract: Contract | None = None
    user: Count = 0
    at: Moment = 0.0  # when the app last said so
    format: int = FORMAT

    @property
    def wanted(self) -> Wanted:
        """The requirement, to be judged."""
        return self.required if self.contract is None else self.contract


def declare(root: Path, app: str, model: str, wanted: Wanted, now: float) -> Declaration:
    """Say durably that `app` uses `model` and what it requires of it; what it said before is replaced.

    Raises InvalidInput for a name or a requirement that is none, TooManyApps, and OSError where nothing can be written.
    """
    if not _APP.fullmatch(app):
        hint = "A name has 1 to 63 letters, digits, '_', '.' and '-', and begins with a letter or digit."
        raise InvalidInput(f"'{app[:80]}' is no name of an app", field="app", hint=hint)
    requirement.check(wanted)
    declaration = Declaration(
        app=app,
        model=model,
        required=wanted if isinstance(wanted, str) else "",
        contract=None if isinstance(wanted, str) else wanted,
        user=os.getuid(),
        at=now,
    )
    data = msgspec.json.encode(declaration)
    path = _path(root, declaration)
    if len(data) > MAX_DECLARATION_BYTES:
        raise InvalidInput(f"a declaration has at most {MAX_DECLARATION_BYTES} bytes", field="contract")
    if not path.exists() and len(list(_files(root, model))) >= MAX_DECLARATIONS:
        raise TooManyApps(f"{MAX_DECLARATIONS} apps have declared what they require of {model}", field="app")
    _write(path, data)
    return declaration


def declarations(root: Path, model: str = "") -> tuple[Declaration, ...]:
    """What apps require of `model`, or of all models, by model and app. What cannot be read is left out."""
    folder = root / FOLDER
    models = [model] if model else sorted(path.name for path in _listed(folder) if path.is_dir())
    found = (_read(path, name) for name in models for path in _files(root, name))
    return tuple(declaration for declaration in found if declaration is not None)


def forget(root: Path, app: str, model: str = "") -> int:
    """Remove what `app` has declared of `model`, or of all models; how many declarations. Raises NotFound for none."""
    doomed = [found for found in declarations(root, model) if found.app == app]
    if not doomed:
        of = f" of {model}" if model else ""
        raise NotFound(f"no app '{app[:80]}' has declared anything{of}", field="app")
    for declaration in doomed:
        path = _path(root, declaration)
        durable.remove(path)
        durable.sync_folder(path.parent)
    return len(doomed)


def default_app() -> str:
    """What an app is called that does not say: its program's file name, as 'line-3' for line-3.py."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(sys.argv[0] if sys.argv else "").stem).strip(".-")[:63]
    return name if _APP.fullmatch(name) else "app"


def _path(root: Path, declaration: Declaration) -> Path:
    return root / FOLDER / declaration.model / f"{declaration.user}-{declaration.app}.json"


def _write(path: Path, data: bytes) -> None:
    """As `durable.replace`, where several processes of one app may start at once: each has a draft of its own."""
    durable.make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{threading.get_native_id()}{durable.ASIDE}")
    durable.write(draft, [data])
    os.rename(draft, path)
    durable.sync_folder(path.parent)


def _files(root: Path, model: str) -> Iterator[Path]:
    """At most MAX_DECLARATIONS files, by name."""
    names = sorted(path.name for path in _listed(root / FOLDER / model) if path.name.endswith(".json"))
    yield from (root / FOLDER / model / name for name in names[:MAX_DECLARATIONS])


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path, model: str) -> Declaration | None:
    """A declaration whose file is named and placed as it says; None for anything else, whoever has put it there."""
    try:
        found = read_json(_bytes(path), Declaration, "a declaration")
        requirement.check(found.wanted)
    except (EdgewrightError, OSError):
        return None
    is_own = found.model == model and path.name == f"{found.user}-{found.app}.json"
    return found if is_own and found.format == FORMAT else None


def _bytes(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        data = file.read(MAX_DECLARATION_BYTES + 1)
    if len(data) > MAX_DECLARATION_BYTES:
        raise HostileInput(f"a declaration has at most {MAX_DECLARATION_BYTES} bytes", field="declaration")
    return data
