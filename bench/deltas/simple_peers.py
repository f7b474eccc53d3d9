"""Peers for which there is no package: content-defined chunks (Xet), XOR of tensors (BitX), and no delta at all."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zstandard

from deltas.tensors import BYTES, Place, places

LEVEL = 19
MIN_CHUNK, MAX_CHUNK = 8 << 10, 128 << 10
BOUNDARY = np.uint64(0xFFFF << 48)  # 16 zero bits: 64 KiB in the mean, as in Xet's specification
SEGMENT = 1 << 20
GEAR = np.random.default_rng(0).integers(0, 1 << 64, 256, np.uint64)


def full_make(base: Path, new: Path, delta: Path) -> None:
    """No delta: the whole file, compressed, its window as long as the file."""
    content = new.read_bytes()
    window = {"window_log": min(27, max(10, len(content).bit_length())), "enable_ldm": True}
    settings = zstandard.ZstdCompressionParameters.from_level(LEVEL, **window)
    delta.write_bytes(zstandard.ZstdCompressor(compression_params=settings).compress(content))


def full_apply(base: Path, delta: Path, out: Path) -> None:
    out.write_bytes(zstandard.ZstdDecompressor().decompress(delta.read_bytes()))


def chunks_make(base: Path, new: Path, delta: Path) -> None:
    """An index of (start in the base or -1, length), and the chunks that the base lacks."""
    before, after = base.read_bytes(), new.read_bytes()
    held = {_digest(before, start, stop): start for start, stop in _chunks(before)}
    index, fresh = [], []
    for start, stop in _chunks(after):
        found = held.get(_digest(after, start, stop), -1)
        index.append(struct.pack("<qQ", found, stop - start))
        if found < 0:
            fresh.append(after[start:stop])
    _write(delta, [b"".join(index), b"".join(fresh)])


def chunks_apply(base: Path, delta: Path, out: Path) -> None:
    before = base.read_bytes()
    index, fresh = _read(delta)
    cursor = 0
    with out.open("wb") as sink:
        for start, length in struct.iter_unpack("<qQ", index):
            if start < 0:
                sink.write(fresh[cursor : cursor + length])
                cursor += length
            else:
                sink.write(before[start : start + length])


def _digest(content: bytes, start: int, stop: int) -> bytes:
    return hashlib.blake2b(content[start:stop], digest_size=16).digest()


def _chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Cut behind each byte whose gear hash of the last 64 bytes has its upper bits 0."""
    start = 0
    for cut in [*_candidates(content), len(content)]:
        while cut - start > MAX_CHUNK:
            yield start, start + MAX_CHUNK
            start += MAX_CHUNK
        if cut - start >= MIN_CHUNK or (cut == len(content) and cut > start):
            yield start, cut
            start = cut


def _candidates(content: bytes) -> Iterator[int]:
    """The hash of 2k bytes is that of the last k plus that of the k before them, shifted."""
    octets = np.frombuffer(content, np.uint8)
    for first in range(0, len(octets), SEGMENT):
        hashes = GEAR[octets[max(0, first - 63) : first + SEGMENT]]
        for width in (1, 2, 4, 8, 16, 32):
            hashes[width:] += hashes[:-width] << np.uint64(width)
        found = np.flatnonzero((hashes & BOUNDARY) == 0) + max(0, first - 63) + 1
        yield from found[found > first].tolist()


def xor_make(base: Path, new: Path, delta: Path) -> None:
    """Tensors of one name, kind and shape are XORed; then bytes of one significance stand together."""
    before, after = base.read_bytes(), bytearray(new.read_bytes())
    spans = _spans(places(before), places(bytes(after)))
    parts = []
    for from_, to, length, width in spans:
        mixed = np.frombuffer(before, np.uint8, length, from_) ^ np.frombuffer(after, np.uint8, length, to)
        parts.append(mixed.reshape(-1, width))
    planes = [_plane(parts, width, index) for width in (1, 2, 4, 8) for index in range(width)]
    for _, to, length, _ in reversed(spans):
        del after[to : to + length]
    _write(delta, [json.dumps(spans).encode(), bytes(after), *planes])


def xor_apply(base: Path, delta: Path, out: Path) -> None:
    before = np.frombuffer(base.read_bytes(), np.uint8)
    header, rest, *planes = _read(delta)
    spans = json.loads(header)
    result = np.empty(len(rest) + sum(length for _, _, length, _ in spans), np.uint8)
    is_rest = np.ones(len(result), bool)
    offsets = dict.fromkeys((1, 2, 4, 8), 0)
    for from_, to, length, width in spans:
        first = offsets[width]
        mixed = [np.frombuffer(plane, np.uint8, length // width, first) for plane in _of_width(planes, width)]
        result[to : to + length] = np.stack(mixed, 1).reshape(-1) ^ before[from_ : from_ + length]
        is_rest[to : to + length] = False
        offsets[width] += length // width
    result[is_rest] = np.frombuffer(rest, np.uint8)
    result.tofile(out)


def _spans(before: list[Place], after: list[Place]) -> list[tuple[int, int, int, int]]:
    """(start in base, start in new, bytes, element bytes) of each pair."""
    held = {(place.name, place.kind, place.shape): place.start for place in before}
    keys = [(place, (place.name, place.kind, place.shape)) for place in after]
    return [(held[key], place.start, place.stop - place.start, BYTES[place.kind]) for place, key in keys if key in held]


def _plane(parts: list[np.ndarray], width: int, index: int) -> bytes:
    return b"".join(part[:, index].tobytes() for part in parts if part.shape[1] == width)


def _of_width(planes: list[bytes], width: int) -> list[bytes]:
    return planes[width - 1 : 2 * width - 1]


def _write(path: Path, parts: list[bytes]) -> None:
    squeezed = [zstandard.ZstdCompressor(level=LEVEL).compress(part) for part in parts]
    path.write_bytes(b"".join(struct.pack("<Q", len(part)) + part for part in squeezed))


def _read(path: Path) -> list[bytes]:
    content, parts = path.read_bytes(), []
    while content:
        length = struct.unpack_from("<Q", content)[0]
        parts.append(zstandard.ZstdDecompressor().decompress(content[8 : 8 + length]))
        content = content[8 + length :]
    return parts
