"""A sample's inputs as people see and hear them: PNG, WAV, text, numbers. Without any library of pictures."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgewright.contract.data_policy import sides
from edgewright.contract.tensors import Contract, Kind, TensorSpec

RATE_HZ = 16_000
"""Of a sound whose contract does not say: what speech models take."""
MAX_COLUMNS = 256
COLOURS = {1: 0, 3: 2, 4: 6}
"""PNG's colour type (RFC 2083 section 4.1.1) by the number of channels."""

Array = npt.NDArray[Any]


class ShownAs(StrEnum):
    """How an input is shown."""

    IMAGE = "image"
    AUDIO = "audio"
    TEXT = "text"
    NUMBERS = "numbers"


class Shown(NamedTuple):
    """One input of a sample. An image or a sound has `media` and `body`, text and numbers have `columns`."""

    name: str
    kind: ShownAs
    media: str = ""
    body: bytes = b""
    columns: tuple[tuple[str, str], ...] = ()
    left_out: int = 0


def show(contract: Contract, inputs: Mapping[str, Array]) -> tuple[Shown, ...]:
    """The inputs of one row, in the contract's order; those that never left their device are not among them."""
    return tuple(_shown(spec, inputs[spec.name]) for spec in contract.inputs if spec.name in inputs)


def _shown(spec: TensorSpec, array: Array) -> Shown:
    if array.dtype.kind in "OUS":
        told = tuple(("", str(text)) for text in array.reshape(-1).tolist())
        return Shown(spec.name, ShownAs.TEXT, columns=told[:MAX_COLUMNS], left_out=max(0, len(told) - MAX_COLUMNS))
    found = sides(array.shape[1:], spec) if spec.kind is Kind.IMAGE else None
    if found is not None:
        return Shown(spec.name, ShownAs.IMAGE, "image/png", png(_pixels(array.reshape(found))))
    if spec.kind is Kind.AUDIO:
        return Shown(spec.name, ShownAs.AUDIO, "audio/wav", wav(array.reshape(-1)))
    values = array.reshape(-1)
    names = spec.names if len(spec.names) == len(values) else tuple(map(str, range(len(values))))
    told = tuple((name, f"{value:.6g}") for name, value in zip(names, values[:MAX_COLUMNS].tolist(), strict=False))
    return Shown(spec.name, ShownAs.NUMBERS, columns=told, left_out=max(0, len(values) - MAX_COLUMNS))


def png(pixels: Array) -> bytes:
    """A PNG (RFC 2083) of uint8 pixels, (height, width, 1, 3 or 4)."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOURS[channels], 0, 0, 0)
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def wav(sound: Array, rate_hz: int = RATE_HZ) -> bytes:
    """A WAV file of one channel, 16 bits. Whole numbers stay what they are, others are scaled to the loudest."""
    if sound.dtype.kind == "f":
        finite = np.nan_to_num(sound.astype(np.float64))
        sound = finite * (32767 / max(1e-9, float(np.abs(finite).max(initial=0.0))))
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.clip(sound, -32768, 32767).astype("<i2").tobytes())
    return body.getvalue()


def _pixels(picture: Array) -> Array:
    """Pixels to look at of (planes, height, width, channels); floats are taken from 0 to 1, or from least to most."""
    planes, _, _, channels = picture.shape
    if channels == 1 and planes in COLOURS:
        picture = np.moveaxis(picture[..., 0], 0, -1)[None]
    picture = picture[0] if picture.shape[-1] in COLOURS else picture[0, :, :, :1]
    if picture.dtype == np.uint8:
        return picture
    plain = np.nan_to_num(picture.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    low, high = float(plain.min(initial=0.0)), float(plain.max(initial=1.0))
    return np.rint((plain - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
