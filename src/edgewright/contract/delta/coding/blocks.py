"""One block of a tensor: which rows changed, at which levels, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.contract.delta.coding.coder import contexts_of, read_dense, read_sparse, write_dense, write_sparse
from edgewright.contract.delta.coding.elements import Array, Element, exponents, monotone
from edgewright.contract.delta.coding.raw import read_raw, write_raw
from edgewright.contract.delta.coding.symbols import read_planes, write_planes
from edgewright.contract.delta.reader import Reader, require
from edgewright.contract.delta.writer import Writer

_MASKED, _DENSE, _ROW_LEVELS, _COLUMN_LEVELS, _RAW = 1, 2, 4, 8, 16
PLAIN = 0  # the way of telling dense residuals that costs the least time to find

_ALWAYS_SPARSE, _ALWAYS_DENSE = 0.006, 0.25  # shares of changed elements between which both are tried
_RAW_MAY_WIN = 0.8  # a body above this share of its elements is compared with the elements themselves
_MIN_COLUMNS, _MIN_ROWS, _MIN_LEVELLED = 32, 8, 2048
_LEVEL = np.dtype("<i2")
_FAINTEST = 2.0**-10  # rows fainter than this share of the mean are taken as equally faint
_SMALLEST = 2.0**-120
_TYPICAL_LEVEL = 1.2  # half bits by which a row's mean of logarithms lies below the logarithm of its mean


Attempt = tuple[int, bytearray]  # flags and body of one way to write a block
Observe = Callable[[Array, Array], None]  # gets contexts and residuals, as flat arrays


@dataclass(frozen=True, slots=True)
class Levels:
    """Half-bit levels of a block's changed rows and of its columns; None where they say nothing."""

    way: int = PLAIN
    rows: Array | None = None
    columns: Array | None = None

    @property
    def flags(self) -> int:
        """How a block with these levels is marked."""
        rows = _ROW_LEVELS if self.rows is not None else 0
        return _DENSE | rows | (_COLUMN_LEVELS if self.columns is not None else 0)


def write_block(
    writer: Writer,
    prediction: Array,
    new: Array,
    element: Element,
    like: int | None = None,
    observe: Observe | None = None,
) -> int | None:
    """What turns a (rows, columns) block of predicted bit patterns into the new ones, as short as is found.

    Returns the way of telling dense residuals that it took: given as `like` for the tensor's next block, it
    saves trying the others. `observe` is shown the changed rows' contexts and residuals.
    """
    changed = (prediction != new).any(axis=1)
    is_masked = not changed.all()
    if is_masked:
        prediction, new = np.ascontiguousarray(prediction[changed]), np.ascontiguousarray(new[changed])
    if not len(new):
        writer.varint(_MASKED)
        writer.packed(bytes((len(changed) + 7) // 8))
        return like
    residuals = (monotone(new, element) - monotone(prediction, element)).reshape(-1)
    share = np.count_nonzero(residuals) / len(residuals)
    attempts: list[Attempt] = []
    if share < _ALWAYS_DENSE:
        attempts.append((0, _sparse(residuals)))
    if share >= _ALWAYS_SPARSE:
        dense, like = _best_dense(prediction, residuals, element, like, observe)
        attempts.append(dense)
        if len(dense[1]) > _RAW_MAY_WIN * new.nbytes:
            attempts.append((_RAW, _raw(new.reshape(-1), element)))
    elif observe is not None:
        observe(contexts_of(prediction, element, None, None), residuals)
    flags, body = min(attempts, key=lambda attempt: len(attempt[1]))
    writer.varint(flags | (_MASKED if is_masked else 0))
    if is_masked:
        writer.packed(np.packbits(changed, bitorder="little").tobytes())
    writer.raw(body)
    return like


def read_block(reader: Reader, prediction: Array, element: Element, max_rows: int) -> Array:
    """The new bit patterns of a block; rows that did not change are as predicted.

    No more than `max_rows` rows may have changed. `prediction` is overwritten if it can be.
    """
    flags = reader.at_most(31, "block flags")
    if not flags & _MASKED:
        require(len(prediction) <= max_rows, "too many rows change at once")
        return _read_rows(reader, prediction, element, flags)
    rows = len(prediction)
    bits = np.frombuffer(reader.packed((rows + 7) // 8), np.uint8)
    changed = np.flatnonzero(np.unpackbits(bits, count=rows, bitorder="little"))
    require(len(changed) <= max_rows, "too many rows change at once")
    block = prediction if prediction.flags.writeable else prediction.copy()
    if len(changed):
        block[changed] = _read_rows(reader, prediction[changed], element, flags)
    else:
        require(flags == _MASKED, "a block without rows has no residuals")
    return block


def _read_rows(reader: Reader, prediction: Array, element: Element, flags: int) -> Array:
    if flags & _RAW:
        require(flags & ~_MASKED == _RAW, "a raw block has neither residuals nor levels")
        return read_raw(reader, prediction.size, element).reshape(prediction.shape)
    if flags & _DENSE:
        rows, columns = prediction.shape
        row_levels = _read_levels(reader, rows) if flags & _ROW_LEVELS else None
        column_levels = _read_levels(reader, columns) if flags & _COLUMN_LEVELS else None
        contexts = contexts_of(prediction, element, row_levels, column_levels)
        residuals = read_dense(reader, contexts, element.dtype).reshape(prediction.shape)
        residuals += monotone(prediction, element)
        return monotone(residuals, element)
    require(not flags & (_ROW_LEVELS | _COLUMN_LEVELS), "a sparse block has no levels")
    at, values = read_sparse(reader, prediction.size, element.dtype)
    flat = prediction.reshape(-1).copy()
    flat[at] = monotone(monotone(flat[at], element) + values, element)
    return flat.reshape(prediction.shape)


def _raw(values: Array, element: Element) -> bytearray:
    writer = Writer()
    write_raw(writer, values, element)
    return writer.data


def _sparse(residuals: Array) -> bytearray:
    writer = Writer()
    write_sparse(writer, residuals)
    return writer.data


def _best_dense(
    prediction: Array, residuals: Array, element: Element, like: int | None, observe: Observe | None
) -> tuple[Attempt, int]:
    ways = list(_levels(prediction, residuals, element)) if like != PLAIN else [Levels()]
    chosen = [levels for levels in ways if levels.way == like]
    attempts = [(_dense(prediction, residuals, element, levels), levels) for levels in chosen or ways]
    best, levels = min(attempts, key=lambda attempt: len(attempt[0][1]))
    if observe is not None:
        observe(contexts_of(prediction, element, levels.rows, levels.columns), residuals)
    return best, levels.way


def _dense(prediction: Array, residuals: Array, element: Element, levels: Levels) -> Attempt:
    writer = Writer()
    for part in (levels.rows, levels.columns):
        if part is not None:
            _write_levels(writer, part)
    write_dense(writer, residuals, contexts_of(prediction, element, levels.rows, levels.columns))
    return levels.flags, writer.data


def _write_levels(writer: Writer, levels: Array) -> None:
    write_planes(writer, np.diff(levels, prepend=_LEVEL.type(0)).astype(_LEVEL))


def _read_levels(reader: Reader, count: int) -> Array:
    return np.cumsum(read_planes(reader, count, _LEVEL), dtype=_LEVEL)


def _levels(prediction: Array, residuals: Array, element: Element) -> Iterator[Levels]:
    """Ways to tell apart the parts of a block that moved much from those that moved little."""
    yield Levels()
    rows, columns = prediction.shape
    if columns < _MIN_COLUMNS or rows < _MIN_ROWS or prediction.size < _MIN_LEVELLED or not residuals.any():
        return
    exponent = exponents(prediction, element) if element.is_float else np.zeros(prediction.shape, np.int16)
    highest = int(exponent.max())
    distance = np.abs(residuals.reshape(prediction.shape).astype(np.float32))
    moved = np.ldexp(distance, exponent.astype(np.int32) - highest)
    mean = float(moved.mean(dtype=np.float64))
    faintest = max(mean * _FAINTEST, _SMALLEST)
    by_row = 2 * np.log2(np.maximum(moved.mean(axis=1), faintest)) + 2 * highest
    by_column = 2 * np.log2(np.maximum(moved.mean(axis=0), faintest)) + 2 * highest
    relative = by_column - (2 * np.log2(max(mean, faintest)) + 2 * highest)
    parts = [(by_row, None), (None, by_column), (by_row, relative)]
    if element.is_float:
        typical = 2 * (np.log2(distance + np.float32(0.5)) + exponent).mean(axis=1) + _TYPICAL_LEVEL
        parts += [(typical, None), (typical, relative)]
    for way, (row_part, column_part) in enumerate(parts, start=1):
        yield _placed(way, row_part, column_part, exponent, element)


def _placed(way: int, by_row: Array | None, by_column: Array | None, exponent: Array, element: Element) -> Levels:
    """Round to half bits, and shift so that the contexts begin near 0."""
    rows = None if by_row is None else np.round(by_row).astype(_LEVEL)
    columns = None if by_column is None else np.round(by_column).astype(_LEVEL)
    level = -2 * exponent if element.is_float else np.zeros(exponent.shape, np.int16)
    if rows is not None:
        level = level + rows[:, None]
    if columns is not None:
        level = level + columns[None, :]
    lowest = _LEVEL.type(np.percentile(level.reshape(-1)[::7], 0.3) if element.is_float else level.min())
    if rows is not None:
        return Levels(way, rows - lowest, columns)
    return Levels(way, None, None if columns is None else columns - lowest)
