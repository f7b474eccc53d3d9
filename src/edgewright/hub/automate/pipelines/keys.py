"""The digest of everything that decides what a step makes: what has the same one is not done again."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from edgewright.contract.api import FileRef, PipelineDraft, StepDraft
from edgewright.contract.api.tasks import Place

FORMAT = 1


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes into a step besides its own draft: files and weights by digest, and the tools that work on them."""

    data: tuple[FileRef, ...] = ()  # the snapshot's
    files: tuple[FileRef, ...] = ()  # what steps before it left
    parent: str = ""  # SHA-256 of the parent's weights
    subject: str = ""  # what else it is about, such as the version that it optimises
    tools: dict[str, str] = {}


def digest(pipeline: PipelineDraft, step: StepDraft, inputs: Inputs) -> str:
    """SHA-256 over the step (its command, parameters, place and limits of time apart), the code, and its inputs."""
    said = {
        "format": FORMAT,
        "model": pipeline.model,
        "does": step.does,
        "command": step.command,
        "function": step.function,
        "params": {**pipeline.params, **step.params},
        "seed": pipeline.seed,
        "outputs": step.outputs,
        "metrics": step.metrics,
        "channels": step.channels,
        "has_arguments": step.has_arguments,
        "where": step.where,
        "code": _named(pipeline.code),
        "contract": [pipeline.refinement, pipeline.files, pipeline.task],
        "data": _named(inputs.data),
        "files": _named(inputs.files),
        "parent": inputs.parent,
        "subject": inputs.subject,
        "tools": inputs.tools,
    }
    return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()


def made_of(files: Sequence[FileRef]) -> str:
    """SHA-256 over files by path and digest, as of a snapshot."""
    return hashlib.sha256(msgspec.json.encode(_named(files))).hexdigest()


def tools_at(place: Place) -> dict[str, str]:
    """The versions of Python and of every library where a step runs, as far as this hub can know: its own."""
    if place is not Place.LOCAL:
        return {}
    folders = (Path(name) for name in sys.path)
    return _installed(tuple(folder.stat().st_mtime_ns for folder in folders if folder.is_dir()))


@functools.lru_cache(maxsize=1)
def _installed(changed_ns: tuple[int, ...]) -> dict[str, str]:
    """What is installed, looked at again when a folder that it is imported from has changed."""
    found = {str(one.name).lower(): one.version for one in metadata.distributions()}
    return {"python": sys.version.split()[0], **dict(sorted(found.items()))}


def _named(files: Sequence[FileRef]) -> list[tuple[str, str]]:
    return sorted((file.path, file.sha256) for file in files)
