"""What runs inside the toolchain 'litert': a float32 .tflite file becomes int8, by AI Edge Quantizer.

    python -I quantiser.py FLOAT.tflite MADE.tflite [ROWS.npz ROWS-AT-ONCE]

With rows (what the model takes, by the names of its signature) weights and activations become int8, without them the
weights alone. Its last line tells the versions of its tools. Nothing of Edgewright is imported: it is not there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_quantizer import qtyping, quantizer, recipe

SIGNATURE = "serving_default"
TOOLS = ("ai-edge-quantizer", "ai-edge-litert")


def main(source: Path, made: Path, rows: Path | None, rows_at_once: int) -> None:
    """Quantise; inputs and outputs keep their element types."""
    tool = quantizer.Quantizer(str(source))
    if rows is None:
        tool.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        ranges = None
    else:
        tool.load_quantization_recipe(recipe.static_wi8_ai8())
        for port in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
            tool.update_quantization_recipe(regex=".*", operation_name=port, algorithm_key="no_quantize")
        ranges = find_ranges(tool, rows, rows_at_once)
    result = tool.quantize(ranges, enable_progress_report=False)
    made.write_bytes(bytes(result.quantized_model))
    sys.stdout.write(json.dumps({name: metadata.version(name) for name in TOOLS}) + "\n")


def find_ranges(tool: Any, path: Path, rows_at_once: int) -> dict[str, Any]:
    """The least and greatest value of each tensor over all rows. (The tool's own way is a moving average of calls.)"""
    ranges: dict[str, Any] = {}
    for feeds in batches(path, rows_at_once):
        for name, found in tool.calibrate({SIGNATURE: [feeds]}, num_threads=1).items():
            before = ranges.get(name)
            if before and found:
                found["min"] = np.minimum(before["min"], found["min"])
                found["max"] = np.maximum(before["max"], found["max"])
            ranges[name] = found or before
    return ranges


def batches(path: Path, rows_at_once: int) -> Iterator[dict[str, np.ndarray]]:
    """All rows, some at a time."""
    with np.load(path, allow_pickle=False) as arrays:
        rows = {name: arrays[name] for name in arrays.files}
    for at in range(0, len(next(iter(rows.values()))), rows_at_once):
        yield {name: array[at : at + rows_at_once] for name, array in rows.items()}


if __name__ == "__main__":
    _, source, made, *more = sys.argv
    main(Path(source), Path(made), Path(more[0]) if more else None, int(more[1]) if more else 1)
