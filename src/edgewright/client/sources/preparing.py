"""Chooses how a model becomes a source file: as it is, converted, or by the user's command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.client.sources.command import ExportCommand, by_command
from edgewright.client.sources.model import FIELD, Source
from edgewright.contract.errors import InvalidInput

HINT = "Pass a path, a fitted estimator of scikit-learn or a torch.nn.Module; export others to ONNX first."

Convert = Callable[[Any, object, Path], Source]


def prepare(source: object, folder: Path, *, example: object = None, export: ExportCommand | None = None) -> Source:
    """A whole model file of `source`, which is a path (with `export`: of weights) or a model in memory.

    What has to be written goes into `folder`. Raises InvalidInput, MissingExtra, CannotConvert and ExportFailed.
    """
    if not isinstance(source, str | os.PathLike):
        return _converted(source, example, folder)
    from edgewright.client.sources.files import whole_file

    if export is None:
        return whole_file(Path(source), folder)
    made = by_command(Path(source), export, folder)
    (kept := folder / "whole").mkdir()
    return Source(whole_file(made.path, kept).path, made.environment, made.export)


def as_onnx(model: object, example: object, folder: Path) -> Path:
    """Write a fitted estimator or a module into `folder` as ONNX that takes any number of rows.

    `example` is a few rows of what it takes: an array, a tuple of several, or arrays by input name. The ONNX file is
    run on it and must answer as the model does. Raises InvalidInput, MissingExtra and CannotConvert.
    """
    return _converted(model, example, folder).path


def _converted(model: object, example: object, folder: Path) -> Source:
    return _converter(model)(model, example, folder)


def _converter(model: object) -> Convert:
    from edgewright.client.sources.estimators import convert_estimator, is_estimator
    from edgewright.client.sources.modules import convert_module, is_module

    kinds: tuple[tuple[Callable[[object], bool], Convert], ...] = (
        (is_estimator, convert_estimator),
        (is_module, convert_module),
    )
    for is_one, convert in kinds:
        if is_one(model):
            return convert
    raise InvalidInput(f"no source can be made of a {type(model).__name__}", field=FIELD, hint=HINT)
