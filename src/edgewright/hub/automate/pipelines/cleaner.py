"""The child that cleans a dataset's training rows: `python -m edgewright.hub.automate.pipelines.cleaner QUESTION`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.tensors import Contract
from edgewright.hub.automate.pipelines.cleaning import Cleaned, clean
from edgewright.hub.automate.pipelines.params import CleanParams
from edgewright.hub.children import serve


class CleanerQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Say into `stays` which rows of `train` stay (paths); `held_out` are files that they must not share rows with."""

    train: str
    held_out: tuple[str, ...]
    stays: str
    contract: Contract | None
    params: CleanParams


def act(asked: CleanerQuestion) -> Cleaned:
    """Say which rows stay, and tell what went."""
    stays, report = clean(_read(asked.train), [_read(path) for path in asked.held_out], asked.contract, asked.params)
    np.save(Path(asked.stays), stays, allow_pickle=False)
    return report


def _read(path: str) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


if __name__ == "__main__":
    serve(act, CleanerQuestion)
