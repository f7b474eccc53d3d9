"""Residuals as bytes: dense ones by context, sparse ones as positions, signs and magnitudes."""

from __future__ import annotations

import numpy as np

from edgewright.contract.delta.coding.elements import Array, Element, exponents
from edgewright.contract.delta.coding.symbols import (
    read_bits,
    read_digits,
    read_planes,
    read_positions,
    write_bits,
    write_digits,
    write_planes,
    write_positions,
)
from edgewright.contract.delta.reader import Reader, require
from edgewright.contract.delta.writer import Writer

CONTEXTS = 128

_ESCAPE = -128  # the symbol of a residual that does not fit; its full value follows the symbols
_LAST_LEVEL, _PLUS_ZERO, _MINUS_ZERO = 125, 126, 127
_MAX_COARSENESS = 6
_SAMPLE = 8192
_TABLE_BYTES = 24  # what a further Huffman table costs at the least


def contexts_of(prediction: Array, element: Element, rows: Array | None, columns: Array | None) -> Array:
    """The context of each element of a block, as flat uint8.

    Residuals of floats grow by the update's size and shrink by the value's own exponent, so a context is the
    half-bit level of the element's row plus that of its column minus twice the exponent of the prediction.
    """
    level = np.zeros(prediction.shape, np.int16)
    if element.is_float:
        level -= 2 * exponents(prediction, element)
        if rows is None and columns is None:
            level += np.int16(element.exponent_origin)
    if rows is not None:
        level += rows[:, None]
    if columns is not None:
        level += columns[None, :]
    contexts = np.clip(level, 0, _LAST_LEVEL).astype(np.uint8)
    if element.is_float:
        contexts[prediction == 0] = _PLUS_ZERO
        contexts[prediction == np.iinfo(prediction.dtype).min] = _MINUS_ZERO
    return contexts.reshape(-1)


def write_dense(writer: Writer, residuals: Array, contexts: Array) -> None:
    """Every residual: a shift for each context, its low bits as they are, the rest as int8 symbols."""
    coarseness = 0 if len(residuals) >= 16384 else 1 if len(residuals) >= 4096 else 2
    contexts = contexts >> coarseness
    order = np.argsort(contexts, kind="stable")
    sorted_residuals = residuals[order]
    sizes = _present_sizes(contexts, order)
    parts = np.split(sorted_residuals, np.cumsum(sizes)[:-1])
    shifts = [_best_shift(part) for part in parts]

    symbols = sorted_residuals >> np.repeat(np.array(shifts, residuals.dtype), sizes)
    escaped = (symbols > 127) | (symbols < -127)
    symbols[escaped] = _ESCAPE
    symbols = symbols.astype(np.int8)

    writer.varint(coarseness)
    writer.packed(bytes(shifts))
    runs = _runs(symbols, sizes)
    writer.varint(len(runs))
    for start, stop in runs:
        writer.varint(stop - start)
        write_digits(writer, symbols[start:stop])
    for part, shift in zip(parts, shifts, strict=True):
        write_bits(writer, part, shift)
    write_planes(writer, sorted_residuals[escaped])


def read_dense(reader: Reader, contexts: Array, dtype: np.dtype[np.signedinteger]) -> Array:
    """The residuals that go with `contexts`."""
    contexts = contexts >> np.uint8(reader.at_most(_MAX_COARSENESS, "context coarseness"))
    order = np.argsort(contexts, kind="stable")
    sizes = _present_sizes(contexts, order)
    shifts = bytes(reader.packed(len(sizes)))
    require(max(shifts) <= dtype.itemsize * 8 - 1, f"a shift passes {dtype.itemsize * 8 - 1} bits")

    symbols = _read_runs(reader, len(contexts))
    values = symbols.astype(dtype)
    start = 0
    for size, shift in zip(sizes.tolist(), shifts, strict=True):
        if shift:
            part = values[start : start + size]
            np.left_shift(part, dtype.type(shift), out=part)
            part |= read_bits(reader, size, shift, dtype)
        start += size
    escaped = symbols == _ESCAPE
    values[escaped] = read_planes(reader, int(np.count_nonzero(escaped)), dtype)
    residuals = np.empty_like(values)
    residuals[order] = values
    return residuals


def write_sparse(writer: Writer, residuals: Array) -> None:
    """Only the residuals that are not zero."""
    at = np.flatnonzero(residuals)
    values = residuals[at]
    writer.varint(len(at))
    if not len(at):
        return
    write_positions(writer, at)
    writer.raw(np.packbits(values < 0, bitorder="little").tobytes())
    unsigned = np.dtype(f"<u{residuals.dtype.itemsize}")
    magnitudes = np.where(values < 0, -values, values).view(unsigned) - unsigned.type(1)
    symbols = np.minimum(magnitudes, 127).astype(np.int8)
    write_digits(writer, symbols)
    write_planes(writer, magnitudes[symbols == 127])


def read_sparse(reader: Reader, length: int, dtype: np.dtype[np.signedinteger]) -> tuple[Array, Array]:
    """Positions below `length`, and the residuals there."""
    count = reader.at_most(length, "changed elements")
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0, dtype)
    at = read_positions(reader, count, length)
    signs = np.frombuffer(reader.take((count + 7) // 8), np.uint8)
    negative = np.unpackbits(signs, count=count, bitorder="little").astype(bool)
    symbols = read_digits(reader, count)
    magnitudes = symbols.astype(dtype)
    large = symbols == 127
    magnitudes[large] = read_planes(reader, int(np.count_nonzero(large)), dtype)
    magnitudes += dtype.type(1)
    return at, np.where(negative, -magnitudes, magnitudes)


def _present_sizes(contexts: Array, order: Array) -> Array:
    """How many elements each context has that occurs; a few searches cost less than counting all."""
    sizes = np.diff(np.searchsorted(contexts, np.arange(CONTEXTS + 1, dtype=np.uint8), sorter=order))
    return sizes[sizes > 0]


def _best_shift(residuals: Array) -> int:
    """The shift with the least entropy of symbols plus raw bits, judged on a sample."""
    sample = residuals[:: max(1, len(residuals) // _SAMPLE)].astype(np.int64)
    middle = float(np.median(np.abs(sample.astype(np.float64))))
    first = max(0, int(np.log2(max(middle, 1.0))) - 4)
    last = min(first + 4, residuals.dtype.itemsize * 8 - 8)
    return min(range(min(first, last), last + 1), key=lambda shift: _cost_bits(sample, shift))


def _cost_bits(sample: Array, shift: int) -> float:
    symbols = sample >> shift
    escapes = int(np.count_nonzero((symbols > 127) | (symbols < -127)))
    counts = np.bincount(np.clip(symbols, -128, 127) + 128, minlength=256)
    return 8 * _entropy_bytes(counts) + shift * len(sample) + 40 * escapes + 5 * int(np.count_nonzero(counts))


def _entropy_bytes(counts: Array) -> float:
    present = counts[counts > 0]
    return float(-(present * np.log2(present / present.sum())).sum()) / 8


def _runs(symbols: Array, sizes: Array) -> list[tuple[int, int]]:
    """Neighbouring contexts share a run, and so a Huffman table, where two tables would cost more."""
    runs: list[tuple[int, int]] = []
    shared = np.zeros(256, np.int64)
    stops = np.cumsum(sizes).tolist()
    for start, stop in zip([0, *stops[:-1]], stops, strict=True):
        counts = np.bincount(symbols[start:stop].view(np.uint8), minlength=256)
        if runs and _table_cost(shared + counts) <= _table_cost(shared) + _table_cost(counts):
            runs[-1] = (runs[-1][0], stop)
            shared = shared + counts
        else:
            runs.append((start, stop))
            shared = counts
    return runs


def _table_cost(counts: Array) -> float:
    return _entropy_bytes(counts) + _TABLE_BYTES + 0.6 * int(np.count_nonzero(counts))


def _read_runs(reader: Reader, length: int) -> Array:
    symbols = np.empty(length, np.int8)
    start = 0
    for _ in range(reader.at_most(CONTEXTS, "runs")):
        size = reader.at_most(length - start, "run length")
        require(size > 0, "a run is empty")
        symbols[start : start + size] = read_digits(reader, size)
        start += size
    require(start == length, f"runs hold {start} of {length} symbols")
    return symbols
