"""Reads and writes the arrays of a snapshot's .npz files, never a pickle among them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.contract.errors import InvalidInput

EPOCH = (1980, 1, 1, 0, 0, 0)
MAX_UNPACKED_BYTES = 2 * 1024**3
HINT = "Write it with numpy.savez(path, name=array, ...), of numbers or strings and not of objects."


def read(path: Path, name: str) -> dict[str, np.ndarray]:
    """The arrays by name; raises InvalidInput for anything that is not a plain .npz of bounded size."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            message = f"{name} unpacks to {unpacked} bytes; at most {MAX_UNPACKED_BYTES} are read"
            raise InvalidInput(message, field=name, hint="Split the dataset, or leave rows out.")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise InvalidInput(f"{name} is not an .npz of plain arrays: {error}", field=name, hint=HINT) from error


def write(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz whose bytes depend on the arrays alone (numpy's own writer stamps the time into them)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in sorted(arrays):
            body = io.BytesIO()
            np.lib.format.write_array(body, np.ascontiguousarray(arrays[key]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", date_time=EPOCH), body.getvalue(), zipfile.ZIP_DEFLATED)
    return out.getvalue()
