"""The library of targets: TOML files in `targets/`, read and checked once."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from pathlib import Path

from edgewright.contract.api import Target
from edgewright.contract.errors import InvalidInput
from edgewright.contract.target import Resolved, Sketch, read, resolve
from edgewright.hub.optimize.model import UnknownTarget

__all__ = ["FOLDER", "Target", "library", "read_folder", "resolved", "target", "targets", "unknown"]

FOLDER = Path(__file__).parent / "targets"


@functools.cache
def library() -> dict[str, Sketch]:
    """Every file of the library by its id, abstract bases too."""
    return read_folder(FOLDER)


@functools.cache
def resolved() -> dict[str, Resolved]:
    """Every target of the library with what it inherits, by id."""
    sketches = library()
    return {name: resolve(sketch, sketches) for name, sketch in sketches.items() if not sketch.is_abstract}


@functools.cache
def targets() -> dict[str, Target]:
    """Every target of the library, by id."""
    return {name: found.target for name, found in resolved().items()}


def target(target_id: str) -> Target:
    """The target of that id; raises UnknownTarget, which names the nearest ones."""
    known = targets()
    if target_id not in known:
        raise unknown(target_id, known)
    return known[target_id]


def unknown(target_id: str, known: Iterable[str]) -> UnknownTarget:
    """The error that says that there is no such target, and which ones there are."""
    names = sorted(known)
    near = difflib.get_close_matches(target_id, names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known targets: {', '.join(names)}."
    if target_id in library():
        heirs = [name for name, found in resolved().items() if target_id in found.bases]
        hint = f"It is a base alone, of {', '.join(heirs)}."
    return UnknownTarget(f"there is no target '{target_id[:80]}'", field="target", hint=hint)


def read_folder(folder: Path) -> dict[str, Sketch]:
    """What the files of a folder say, by id; raises InvalidInput naming file and field."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        sketch = read(path.read_text(), path.name)
        if sketch.id != path.stem:
            raise InvalidInput(f"{path.name}: its id is '{sketch.id}', not the file's name", field="id")
        found[sketch.id] = sketch
    return found
