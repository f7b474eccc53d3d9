"""Nouns of sources: the file that goes to the hub with what made it, and why there may be none."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from edgewright.contract.api import Export
from edgewright.contract.errors import InvalidInput, Refused

FIELD = "source"


class CannotConvert(InvalidInput):
    """The model, or a part of it that the message names, has no form in ONNX."""

    code = "cannot_convert"


class ExportFailed(Refused):
    """The user's export command did not leave a model."""

    code = "export_failed"
    hint = "It finds the file in EW_SOURCE, and leaves an ONNX (or TFLite) file at EW_OUTPUT."


class MissingExtra(Refused):
    """A library that makes ONNX of such a model is not installed."""

    code = "missing_extra"

    def __init__(self, extra: str, error: ImportError) -> None:
        super().__init__(
            f"{error.name or 'a library'} is not installed, and this model cannot become ONNX without it",
            field=FIELD,
            hint=f"pip install 'edgewright[{extra}]'",
        )


@dataclass(frozen=True)
class Source:
    """A whole model file on this machine. `environment` are the versions of what made it, by name."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    export: Export | None = None


def versions(*names: str) -> dict[str, str]:
    """The installed versions of distributions."""
    return {name: metadata.version(name) for name in names}
