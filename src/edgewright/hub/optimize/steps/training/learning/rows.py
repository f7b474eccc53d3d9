"""The rows to learn from: prepared for the model, with their truth; and copies of them, changed a little."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch.nn import functional

from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Kind
from edgewright.hub.optimize.steps import StepContext
from edgewright.hub.optimize.steps.training.torching.graph import Array

AT_ONCE = 256
MIN_ROWS = 16
MAX_ROWS = 50_000
"""More than that would not be through in the minutes that a step has."""
NEEDS_ROWS = "Register the version with a snapshot whose train.npz holds the truth. See `edgewright data snapshot`."
TURN, ZOOM, SHIFT = 0.2, 0.1, 0.125
"""How far pictures turn (radians), grow or shrink, and move (shares of a side) at most."""
NOISE = 0.05
"""In standard deviations of a tensor, or of each column."""


class Layout(StrEnum):
    """How the numbers of a row lie."""

    IMAGE = "image"  # channels, height, width
    WINDOW = "window"  # channels, steps in time
    COLUMNS = "columns"


@dataclass(frozen=True)
class Rows:
    """What the model takes, by name, and the truth of each row as the snapshot has it."""

    inputs: dict[str, Array]
    truth: Array


def labelled(context: StepContext, takes: tuple[str, ...]) -> Rows:
    """All training rows, prepared, or MAX_ROWS of them, spread evenly; `takes` are the model's inputs.

    Raises InvalidInput where there are none, or no truth, too few of them, or one holds what is no number.
    """
    if context.train is None:
        raise InvalidInput("training needs labelled rows, and there are none", field="snapshot", hint=NEEDS_ROWS)
    file = context.train.name
    with np.load(context.train, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if context.label_key not in found:
        where = f"{file}.{context.label_key}"
        said = f"{file} has no '{context.label_key}' array: there is no truth"
        raise InvalidInput(said, field=where, hint=NEEDS_ROWS)
    truth = found.pop(context.label_key)
    if len(truth) > MAX_ROWS:
        chosen = np.unique(np.linspace(0, len(truth) - 1, MAX_ROWS).round().astype(np.int64))
        truth, found = truth[chosen], {name: array[chosen] for name, array in found.items()}
    if len(truth) < MIN_ROWS:
        raise InvalidInput(f"{file} has {len(truth)} rows: training needs {MIN_ROWS} at least", field=file)
    return Rows(_prepared(_inputs(found, context), context, takes, file), truth)


def layout_of(context: StepContext, name: str, array: Array) -> tuple[Layout, tuple[int, ...]]:
    """How the rows of the input `name` lie, and a row's shape: channels, height, width; or channels, steps; or columns.

    Pictures that a contract calls so may lie flat. Channels may come last (where they are fewer than the axis before).
    """
    shape = array.shape[1:]
    spec = context.contract.input(name)
    if spec is not None and spec.kind is Kind.IMAGE and len(shape) < 3:
        return Layout.IMAGE, (1, spec.height, spec.width)
    if len(shape) == 3:
        return Layout.IMAGE, shape
    if len(shape) == 2:
        return Layout.WINDOW, shape
    return Layout.COLUMNS, shape


def varied(array: Array, layout: Layout, shape: tuple[int, ...], chance: np.random.Generator) -> Array:
    """A copy with each row changed a little: pictures moved, turned and zoomed, everything with noise."""
    if array.dtype.kind not in "fiu":
        return array
    changed = array.astype(np.float32)
    if layout is Layout.IMAGE:
        changed = _moved(changed.reshape(-1, *shape), chance).reshape(array.shape)
    spread = changed.std(axis=0 if layout is Layout.COLUMNS else None)
    changed += (NOISE * spread * chance.standard_normal(changed.shape)).astype(np.float32)
    if array.dtype.kind != "f":
        limits = np.iinfo(array.dtype)
        changed = changed.round().clip(limits.min, limits.max)
    copy: Array = changed.astype(array.dtype)
    return copy


def _moved(pictures: Array, chance: np.random.Generator) -> Array:
    """Each picture turned, zoomed and moved by chance, edges drawn out, bilinear in between."""
    count = len(pictures)
    is_last = pictures.shape[3] < pictures.shape[1]
    images = torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy() if is_last else pictures)
    turn = torch.from_numpy(chance.uniform(-TURN, TURN, count).astype(np.float32))
    zoom = torch.from_numpy(chance.uniform(1 - ZOOM, 1 + ZOOM, count).astype(np.float32))
    shift = torch.from_numpy(chance.uniform(-2 * SHIFT, 2 * SHIFT, (2, count)).astype(np.float32))
    across = torch.stack([zoom * torch.cos(turn), -zoom * torch.sin(turn), shift[0]], 1)
    down = torch.stack([zoom * torch.sin(turn), zoom * torch.cos(turn), shift[1]], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    moved: Array = functional.grid_sample(images, grid, padding_mode="border", align_corners=False).numpy()
    return moved.transpose(0, 2, 3, 1) if is_last else moved


def _inputs(found: dict[str, Array], context: StepContext) -> dict[str, Array]:
    specs = context.contract.inputs
    if not specs:
        return found
    if missing := [spec.name for spec in specs if spec.name not in found]:
        raise InvalidInput(f"the training rows have no '{missing[0]}' array", field=f"train.{missing[0]}")
    return {spec.name: found[spec.name].astype(spec.dtype.value) for spec in specs}


def _prepared(inputs: dict[str, Array], context: StepContext, takes: tuple[str, ...], file: str) -> dict[str, Array]:
    count = len(next(iter(inputs.values()), ()))
    parts = [
        context.prepare({name: array[at : at + AT_ONCE] for name, array in inputs.items()})
        for at in range(0, count, AT_ONCE)
    ]
    if missing := [name for name in takes if not parts or name not in parts[0]]:
        raise InvalidInput(f"the model takes '{missing[0]}', which {file} does not have", field=f"{file}.{missing[0]}")
    whole = {name: np.concatenate([part[name] for part in parts]) for name in takes}
    for name, array in whole.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            where = f"{file}.{name}"
            raise InvalidInput(f"{where} holds numbers that are not finite", field=where, hint="Leave out such rows.")
    return whole
