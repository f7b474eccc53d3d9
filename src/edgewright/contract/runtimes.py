"""Inference runtimes as plug-ins: what devices serve with, and the hub measures with. One Protocol, loaded by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

GROUP = "edgewright.runtimes"


class Session(Protocol):
    """A loaded model. `run` may be called by several threads at once."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    fixed_rows: int  # how many rows each request must have; 0: any number

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Infer: all of `output_names`. Raises InferenceFailed."""
        ...


class Runtime(Protocol):
    """Loads models of one kind of file. Its module imports nothing heavy before an object of it is made."""

    version: str
    providers: tuple[str, ...]  # what can compute on this machine: execution providers, devices, kernels

    def load(self, path: Path, provider: str) -> Session:
        """Load the model file. Raises ModelUnreadable, also where `provider` is not what then runs."""
        ...
