"""Where a compiler's engines are kept: beside the slot, never in it, as the slot's files are those that were signed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

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
