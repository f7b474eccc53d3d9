"""Small integers as bytes: bit fields, byte planes, digits packed several to a byte, and positions as gaps."""

from __future__ import annotations

import numpy as np

from edgewright.contract.delta.coding.elements import Array
from edgewright.contract.delta.reader import Reader, require
from edgewright.contract.delta.writer import Writer

# Digits base b fit several to a byte, which lets a Huffman code spend less than a bit on each. Base 1 is all zeros.
SCHEMES = ((256, 1), (15, 2), (6, 3), (3, 5), (2, 8), (1, 0))

_MAX_STRAY = 0.06  # share of symbols outside the digits beyond which a scheme cannot pay
_GAP_ESCAPE = 255
_MAX_GAP_SHIFT = 18


def write_bits(writer: Writer, values: Array, width: int) -> None:
    """The low `width` bits of each value: whole byte planes first, then the odd bits, lowest first."""
    done = 0
    while width - done >= 8:
        writer.raw(((values >> done) & 255).astype(np.uint8).tobytes())
        done += 8
    if width > done:
        odd = ((values >> done) & ((1 << (width - done)) - 1)).astype(np.uint8)
        bits = (odd[:, None] >> np.arange(width - done, dtype=np.uint8)) & 1
        writer.raw(np.packbits(bits.reshape(-1), bitorder="little").tobytes())


def read_bits(reader: Reader, count: int, width: int, dtype: np.dtype[np.signedinteger]) -> Array:
    """`count` values of `width` bits, as non-negative integers of `dtype`."""
    values = np.zeros(count, dtype)
    done = 0
    while width - done >= 8:
        plane = np.frombuffer(reader.take(count), np.uint8)
        values |= plane.astype(dtype) << dtype.type(done)
        done += 8
    odd = width - done
    if odd:
        low = _odd_bits(np.frombuffer(reader.take((count * odd + 7) // 8), np.uint8), count, odd)
        values |= low.astype(dtype) << dtype.type(done)
    return values


def _odd_bits(packed: Array, count: int, width: int) -> Array:
    """`count` fields of fewer than 8 bits: `width` bytes hold eight of them."""
    rows = np.zeros((-(-count // 8), width + 1), np.uint16)
    whole = len(packed) // width
    rows[:whole, :width] = packed[: whole * width].reshape(whole, width)
    rows[whole:, : len(packed) - whole * width] = packed[whole * width :]
    fields = np.empty((len(rows), 8), np.uint8)
    for place in range(8):
        byte, shift = divmod(place * width, 8)
        fields[:, place] = ((rows[:, byte] | (rows[:, byte + 1] << 8)) >> shift) & ((1 << width) - 1)
    return fields.reshape(-1)[:count]


def write_planes(writer: Writer, values: Array) -> None:
    """The bytes of equal significance together, each such plane packed, lowest first."""
    planes = np.ascontiguousarray(values.view(np.uint8).reshape(len(values), values.dtype.itemsize).T)
    for plane in planes:
        writer.packed(plane.tobytes())


def read_planes(reader: Reader, count: int, dtype: np.dtype[np.signedinteger]) -> Array:
    """`count` values of `dtype`."""
    planes = np.empty((count, dtype.itemsize), np.uint8)
    for place in range(dtype.itemsize):
        planes[:, place] = np.frombuffer(reader.packed(count), np.uint8)
    return planes.reshape(-1).view(dtype)


def write_digits(writer: Writer, symbols: Array) -> None:
    """int8 symbols in whichever scheme is shortest."""
    histogram = np.bincount(symbols.view(np.uint8), minlength=256)
    best: bytearray | None = None
    for scheme, (base, _) in enumerate(SCHEMES):
        low, high = _range_of(base)
        inside = histogram[np.arange(low, high + 1) & 255].sum() / len(symbols)
        if 1 - inside > (0.3 if base == 1 else _MAX_STRAY):
            continue
        attempt = Writer()
        attempt.varint(scheme)
        _write_scheme(attempt, symbols, scheme)
        if best is None or len(attempt.data) < len(best):
            best = attempt.data
    writer.raw(best or b"")


def read_digits(reader: Reader, count: int) -> Array:
    """`count` int8 symbols."""
    scheme = reader.at_most(len(SCHEMES) - 1, "digit scheme")
    base, per_byte = SCHEMES[scheme]
    if base == 256:
        return np.frombuffer(reader.packed(count), np.int8).copy()
    if base == 1:
        symbols = np.zeros(count, np.int8)
    else:
        packed = np.frombuffer(reader.packed(-(-count // per_byte)), np.uint8)
        symbols = _DIGITS[scheme].take(packed, axis=0).reshape(-1)[:count]
    strays = reader.at_most(count, "stray symbols")
    at = read_positions(reader, strays, count)
    symbols[at] = np.frombuffer(reader.packed(strays), np.int8)
    return symbols


def write_positions(writer: Writer, positions: Array) -> None:
    """Rising positions as gaps: a shift, the gaps' low bits, their high parts as bytes, and the long ones."""
    if not len(positions):
        return
    gaps = np.diff(positions, prepend=-1) - 1
    shift = max(0, int(np.log2(max(1.0, float(gaps.mean())))) - 5)
    high = gaps >> shift
    long = high >= _GAP_ESCAPE
    writer.varint(shift)
    write_bits(writer, gaps, shift)
    writer.packed(np.minimum(high, _GAP_ESCAPE).astype(np.uint8).tobytes(), may_repeat=False)
    write_planes(writer, gaps[long].astype("<i4"))


def read_positions(reader: Reader, count: int, length: int) -> Array:
    """`count` rising positions below `length`."""
    if count == 0:
        return np.zeros(0, np.int64)
    shift = reader.at_most(_MAX_GAP_SHIFT, "gap shift")
    low = read_bits(reader, count, shift, np.dtype(np.int64))
    high = np.frombuffer(reader.packed(count), np.uint8)
    gaps = (high.astype(np.int64) << shift) | low
    long = high == _GAP_ESCAPE
    gaps[long] = read_planes(reader, int(long.sum()), np.dtype("<i4"))
    require(bool((gaps >= 0).all()), "a gap is negative")
    positions = np.cumsum(gaps + 1) - 1
    require(int(positions[-1]) < length, f"a position lies beyond {length}")
    return positions


def _range_of(base: int) -> tuple[int, int]:
    low = -(base // 2) if base > 2 else 0
    return low, low + base - 1


def _write_scheme(writer: Writer, symbols: Array, scheme: int) -> None:
    base, per_byte = SCHEMES[scheme]
    if base == 256:
        writer.packed(symbols.tobytes(), may_repeat=False)
        return
    low, high = _range_of(base)
    if base > 1:
        digits = (np.clip(symbols, low, high).astype(np.int16) - low).astype(np.uint8)
        rows = np.pad(digits, (0, -len(digits) % per_byte)).reshape(-1, per_byte)
        packed = np.zeros(len(rows), np.uint8)
        for place in range(per_byte - 1, -1, -1):
            packed = packed * np.uint8(base) + rows[:, place]
        writer.packed(packed.tobytes(), may_repeat=False)
    strays = np.flatnonzero((symbols < low) | (symbols > high))
    writer.varint(len(strays))
    write_positions(writer, strays)
    writer.packed(symbols[strays].tobytes())


def _digits_of_bytes(base: int, per_byte: int) -> Array:
    rest = np.arange(256)
    digits = np.empty((256, per_byte), np.int8)
    for place in range(per_byte):
        digits[:, place] = rest % base + _range_of(base)[0]
        rest = rest // base
    return digits


_DIGITS = {
    scheme: _digits_of_bytes(base, per_byte) for scheme, (base, per_byte) in enumerate(SCHEMES) if 1 < base < 256
}
