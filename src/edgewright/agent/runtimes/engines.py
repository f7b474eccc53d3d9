"""A compiler's engines: where they are kept (beside the slot, never in it: its files are those that were signed), and
how TensorRT builds them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewright.contract.engineplan import EnginePlan

SUFFIX = ".engines"
_DIGEST_CHARS = 16


def engine_folder(model: Path) -> Path | None:
    """The folder for engines of this model file, made where it is missing; None where none can be written.

    The slot `a` has its engines in `a.engines/<digest of the model>`; those of a model that was there before go.
    """
    folder = model.parent.with_name(model.parent.name + SUFFIX)
    try:
        with model.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGEST_CHARS]
        (folder / own).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        for other in folder.iterdir():
            if other.name != own:
                shutil.rmtree(other, ignore_errors=True)
    return folder / own if os.access(folder / own, os.W_OK) else None


def tensorrt_options(
    plan: EnginePlan | None, shapes: Mapping[str, Sequence[int | None]], folder: Path | None
) -> dict[str, str]:
    """Provider options of ONNX Runtime: engines cached in `folder`, and built by the model's `plan`, if it has one.

    `shapes` are those of its inputs, None for a free axis. Where more than the rows is free, TensorRT finds out by
    itself which lengths there are, and builds anew for each that it has not seen.
    """
    options = {}
    if folder is not None:
        options["trt_engine_cache_enable"] = options["trt_timing_cache_enable"] = "True"
        options["trt_engine_cache_path"] = options["trt_timing_cache_path"] = str(folder)
    if plan is None:
        return options
    options |= {"trt_fp16_enable": str(plan.half), "trt_int8_enable": str(plan.int8)}
    only_rows_are_free = all(list(shape[:1]) == [None] and None not in shape[1:] for shape in shapes.values())
    if only_rows_are_free:
        for name, rows in (("min", 1), ("opt", 1), ("max", plan.max_rows)):
            options[f"trt_profile_{name}_shapes"] = ",".join(
                f"{port}:{'x'.join(map(str, [rows, *shape[1:]]))}" for port, shape in shapes.items()
            )
    return options
