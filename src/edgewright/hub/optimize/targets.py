"""The library of targets: TOML files in `targets/`, read and checked once."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

from edgewright.contract.api import Target, TargetRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.target import Resolved, Sketch, read, resolve
from edgewright.hub.optimize.model import UnknownTarget

__all__ = ["FOLDER", "Target", "library", "read_folder", "record", "records", "target", "targets"]

FOLDER = Path(__file__).parent / "targets"


@functools.cache
def library() -> dict[str, Sketch]:
    """Every file of the library by its id, abstract bases too."""
    return read_folder(FOLDER)


@functools.cache
def _resolved() -> dict[str, Resolved]:
    sketches = library()
    return {name: resolve(sketch, sketches) for name, sketch in sketches.items() if not sketch.is_abstract}


@functools.cache
def targets() -> dict[str, Target]:
    """Every target of the library, by id."""
    return {name: found.target for name, found in _resolved().items()}


def target(target_id: str) -> Target:
    """The target of that id; raises UnknownTarget, which names the nearest ones."""
    known = targets()
    if target_id in known:
        return known[target_id]
    near = difflib.get_close_matches(target_id, known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known targets: {', '.join(known)}."
    raise UnknownTarget(f"there is no target '{target_id[:80]}'", field="target", hint=hint)


def read_folder(folder: Path) -> dict[str, Sketch]:
    """What the files of a folder say, by id; raises InvalidInput naming file and field."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        sketch = read(path.read_text(), path.name)
        if sketch.id != path.stem:
            raise InvalidInput(f"{path.name}: its id is '{sketch.id}', not the file's name", field="id")
        found[sketch.id] = sketch
    return found


def record(found: Resolved) -> TargetRecord:
    """What the API shows of a target of the library."""
    target, runtime = found.target, found.target.runtime
    versions = f">={runtime.minimum},<{runtime.below}" if runtime.below else f">={runtime.minimum}"
    return TargetRecord(
        id=target.id,
        title=target.title,
        arch=target.arch,
        runtime=f"{runtime.name} {versions}",
        provider=runtime.provider,
        dtypes=target.dtypes,
        ram_bytes=target.ram_bytes,
        profile=target,
        bases=found.bases,
        told_by=dict(found.told_by),
    )


def records() -> list[TargetRecord]:
    """What the API shows of the library."""
    return [record(found) for found in _resolved().values()]
