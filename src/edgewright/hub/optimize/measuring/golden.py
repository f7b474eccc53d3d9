"""Golden vectors: rows of the hold-out with a variant's own answers, by which a device tests its runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewright.contract import arrays

ROWS = 32
IN, OUT, FLOAT = "in:", "out:", "float:"


def picked(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The golden ones among all rows: ROWS of them, spread evenly. The same for all variants of a version."""
    rows = len(next(iter(arrays.values())))
    places = np.unique(np.linspace(0, rows - 1, min(ROWS, rows)).round().astype(np.int64))
    return {name: array[places] for name, array in arrays.items()}


def encode(
    inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray], source: Mapping[str, np.ndarray]
) -> bytes:
    """The bytes of golden.safetensors: 'in:<name>' as apps pass them, 'out:<name>' as the variant answers, in its own
    numbers, and 'float:<name>' as the version's source does. Devices hold themselves to 'out:' alone.
    """
    named = {f"{IN}{name}": array for name, array in inputs.items()}
    named |= {f"{OUT}{name}": array for name, array in outputs.items()}
    named |= {f"{FLOAT}{name}": array for name, array in source.items()}
    return arrays.encode(named)


def decode(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs, and the variant's outputs, by name. Raises HostileInput."""
    found = arrays.decode(data, "golden vectors")
    return _those(found, IN), _those(found, OUT)


def _those(found: Mapping[str, np.ndarray], mark: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(mark): array for name, array in found.items() if name.startswith(mark)}
