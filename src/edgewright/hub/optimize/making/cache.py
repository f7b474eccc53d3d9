"""What steps made of what, by a key of all that decides it: no step is taken twice."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright import __version__
from edgewright.hub.db import Database
from edgewright.hub.optimize import table
from edgewright.hub.optimize.model import Made, StepPlan
from edgewright.hub.optimize.steps import GROUP, About

ALWAYS = ("numpy", "onnx", "onnxruntime")


class StepResults:
    """Step results that are kept. What a step left is a blob; its note, tools and quantisation are kept beside it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def find(self, key: str) -> Made | None:
        """What was made under that key; None if nothing was."""
        with self._db.read() as connection:
            found = connection.scalar(sa.select(table.step_result.c.record).where(table.step_result.c.key == key))
        return None if found is None else msgspec.convert(found, Made)

    def keep(self, key: str, step: str, made: Made, now: float) -> None:
        """Keep what a step made; a later result under the same key takes its place."""
        row = {"key": key, "step": step, "sha256": made.sha256, "record": msgspec.to_builtins(made), "created_at": now}
        with self._db.write() as connection:
            connection.execute(sa.delete(table.step_result).where(table.step_result.c.key == key))
            connection.execute(sa.insert(table.step_result).values(**row))


def key_of(
    plan: StepPlan, params: msgspec.Struct, model: str, rows: str, versions: Mapping[str, str], seed: int
) -> str:
    """SHA-256 over all that decides what a step makes: the step with every parameter, the digests of the model and of
    the rows that it sees, its tools' versions and the seed.
    """
    what = [plan.name, msgspec.to_builtins(params), model, rows, dict(versions), seed]
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


def versions_of(step: str, about: About, toolchains: Mapping[str, Path]) -> dict[str, str]:
    """The versions of what a step works with: of the distribution that brings it, Edgewright's own, its modules', and a
    digest of all in its toolchain.
    """
    wanted = {*ALWAYS, *(module.partition(".")[0] for module in about.modules)}
    versions = {module: version for module in sorted(wanted) if (version := _version(module))}
    if about.toolchain in toolchains:
        versions[about.toolchain] = _contents(toolchains[about.toolchain])
    return versions | {"edgewright": __version__, "step": _bringer(step)}


@functools.cache
def _bringer(step: str) -> str:
    """The distribution that a step came with, and its version."""
    brought = (point.dist for point in metadata.entry_points(group=GROUP, name=step))
    return ", ".join(sorted(f"{dist.name} {dist.version}" for dist in brought if dist is not None))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _version(module: str) -> str:
    return ", ".join(sorted({f"{name} {metadata.version(name)}" for name in _distributions().get(module, ())}))


def _contents(python: Path) -> str:
    """A digest of the names and versions of every distribution in an environment."""
    installed = sorted(path.name for path in python.parent.parent.glob("lib/python*/site-packages/*.dist-info"))
    return hashlib.sha256("\n".join(installed).encode()).hexdigest()[:16]
