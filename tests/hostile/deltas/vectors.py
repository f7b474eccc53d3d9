"""Vectors of deltas: `python tests/hostile/deltas/vectors.py` writes docs/reference/delta-vectors.

Sound ones are written by hand, so that together they use all that the format has, and by the maker for each container.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from edgewright.contract.delta.coding.elements import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    Array,
    Element,
    monotone,
)
from edgewright.contract.delta.coding.predict import Kind, LowRank, Scaled
from edgewright.contract.delta.format import Op
from edgewright.contract.delta.maker import make
from hostile.deltas.broken import broken
from hostile.deltas.containers import Pair, container_pairs
from hostile.deltas.script import TEXT, Script

FOLDER = Path(__file__).parents[3] / "docs" / "reference" / "delta-vectors"
LARGE_BYTES = 1 << 16


@dataclass(frozen=True)
class Vector:
    """A delta that must apply: `covers` says what of the format it uses."""

    name: str
    covers: str
    base: bytes
    delta: bytes
    result: bytes


@dataclass(frozen=True)
class Layout:
    """The shared base of what is written by hand: one tensor of each element type, and text."""

    data: bytes
    places: dict[Element, int]
    text: int


COUNTS = {
    FLOAT32: 20 * 22,
    FLOAT16: 64 * 33,
    BFLOAT16: 20 * 22,
    FLOAT64: 48,
    INT8: 30 * 50,
    INT16: 160,
    INT32: 160,
    INT64: 64,
}


def layout() -> Layout:
    """20 kB, the same in every run."""
    random = np.random.default_rng(3)
    data, places = bytearray(), {}
    for element, count in COUNTS.items():
        places[element] = len(data)
        data += _values(random, element, count).tobytes()
    return Layout(bytes(data) + TEXT, places, len(data))


def _values(random: np.random.Generator, element: Element, count: int) -> Array:
    weights = random.normal(0, 0.1, count)
    weights[random.integers(0, count, count // 40)] = 0.0
    weights[random.integers(0, count, count // 40)] = -0.0
    match element.name:
        case "float16":
            return weights.astype("<f2")
        case "float32":
            return weights.astype("<f4")
        case "float64":
            return weights.astype("<f8")
        case "bfloat16":
            return (weights.astype("<f4").view("<u4") >> 16).astype("<u2")
        case _:
            return random.integers(-100, 100, count).astype(element.dtype)


def written_by_hand() -> Iterator[Vector]:
    """Each shows one part of the format."""
    base = layout()
    random = np.random.default_rng(4)
    for name, covers, write in _HAND:
        script = write(base, random)
        yield Vector(name, covers, script.base, script.finish(), bytes(script.result))


def made_of_containers() -> Iterator[Vector]:
    """What our maker makes of a pair of files of each kind."""
    for pair in container_pairs():
        with tempfile.TemporaryDirectory() as folder:
            delta = _made(pair, Path(folder))
        covers = f"our maker's delta of a pair of {pair.name.partition('-')[0]} files"
        yield Vector(pair.name, covers, pair.base, delta, pair.new)


def _made(pair: Pair, folder: Path) -> bytes:
    (folder / "base").write_bytes(pair.base)
    (folder / "new").write_bytes(pair.new)
    layouts: list[Path | None] = [None, None]
    for place, text in enumerate((pair.base_layout, pair.new_layout)):
        if text:
            layouts[place] = folder / f"{place}.xml"
            (folder / f"{place}.xml").write_text(text)
    make(folder / "base", folder / "new", folder / "delta", base_layout=layouts[0], new_layout=layouts[1])
    return (folder / "delta").read_bytes()


def moved(script: Script, start: int, element: Element, shape: tuple[int, int], steps: Array) -> Array:
    """The tensor at `start` with every value moved by so many representable ones."""
    before = script.at(start, element, *shape)
    return monotone(monotone(before, element) + steps.astype(element.dtype).reshape(shape), element)


def _bytes(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data, dictionary=[(base.text, 400), (base.text + 600, 200)])
    script.copy(base.text + 100, 300).literal(b"line 7 of a header that both files have, but longer\n")
    return script.copy(base.text, 60).copy(base.text + 60, 40).literal(TEXT[200:420] + b"end")


def _literal(base: Layout, random: np.random.Generator) -> Script:
    return Script(base.data).literal(b"nothing of the base helps here, and no dictionary either " * 3)


def _lzma(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data, lzma_bits=16).literal(TEXT + TEXT[::-1])
    return script.copy(0, 10).literal(random.bytes(400))


def _dense(rows: bool, columns: bool) -> Callable[[Layout, np.random.Generator], Script]:
    def write(base: Layout, random: np.random.Generator) -> Script:
        script = Script(base.data)
        scale = np.ones((64, 33))
        if rows:
            scale = scale * 2.0 ** random.integers(0, 7, (64, 1))
        if columns:
            scale = scale * 2.0 ** random.integers(0, 7, (1, 33))
        steps = np.round(random.normal(0, 1, (64, 33)) * scale)
        start = base.places[FLOAT16]
        return script.delta(start, moved(script, start, FLOAT16, (64, 33), steps), FLOAT16)

    return write


def _sparse(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    for element in (FLOAT16, FLOAT32):
        count = COUNTS[element]
        steps = np.zeros(count)
        at = np.concatenate([random.integers(0, 60, 12), random.integers(count - 90, count, 12)])
        steps[at] = random.integers(-300, 300, len(at))
        shape = (1, count)
        script.delta(base.places[element], moved(script, base.places[element], element, shape, steps), element)
    for shape in ((1, 48), (6, 8)):  # nothing has changed at all
        script.delta(base.places[FLOAT64], script.at(base.places[FLOAT64], FLOAT64, *shape), FLOAT64)
    return script


def _masked(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    steps = np.zeros((30, 50))
    steps[[3, 4, 9, 20]] = random.integers(-30, 30, (4, 50))
    script.delta(base.places[INT8], moved(script, base.places[INT8], INT8, (30, 50), steps), INT8)
    steps = np.zeros((30, 50))
    steps[17, 40] = 2
    return script.delta(base.places[INT8], moved(script, base.places[INT8], INT8, (30, 50), steps), INT8)


def _spanning(_: Layout, random: np.random.Generator) -> Script:
    """Few rows of many have changed: the block spans more rows than may change in one."""
    columns = 1024
    script = Script(bytes(1200 * columns))
    new = script.at(0, INT8, 1200, columns).copy()
    new[[0, 700, 1199]] = random.integers(-2, 3, (3, columns))
    return script.delta(0, new, INT8)


def _unchanged(base: Layout, random: np.random.Generator) -> Script:
    """A block without residuals, told without a mask."""
    script = Script(base.data).numbers(Op.DELTA, INT8.code, 50, 2)
    script.script.signed(base.places[INT8])
    script.payload.raw(b"\0\2\0\0")  # the same, two rows, sparse, none
    script.result += script.at(base.places[INT8], INT8, 2, 50).tobytes()
    return script


def _digits(base: Layout, random: np.random.Generator) -> Script:
    """Residuals of all widths, each with strays, so that each way of packing digits is the shortest once."""
    script = Script(base.data)
    start = base.places[INT8]
    for low, high in ((0, 1), (-1, 1), (-3, 2), (-7, 7), (-90, 90)):
        steps = random.integers(low, high + 1, 1500)
        steps[random.integers(0, 1500, 20)] = random.integers(-20, 20, 20)
        script.delta(start, moved(script, start, INT8, (1, 1500), steps), INT8)
    return script


def _wide(base: Layout, random: np.random.Generator) -> Script:
    """All widths of elements, with residuals that no symbol holds."""
    script = Script(base.data)
    for element in (INT16, INT32, INT64, FLOAT64, FLOAT32, BFLOAT16, FLOAT16):
        count = COUNTS[element]
        steps = np.round(random.normal(0, 9, count))
        steps[:3] = (30_000, -30_000, 9000)
        start = base.places[element]
        script.delta(start, moved(script, start, element, (1, count), steps), element)
    return script


def _unrelated(base: Layout, random: np.random.Generator) -> Script:
    """Blocks that the prediction does not help are told as they are."""
    script = Script(base.data)
    new = _values(random, FLOAT32, COUNTS[FLOAT32]).view(FLOAT32.dtype).reshape(20, 22)
    return script.delta(base.places[FLOAT32], new, FLOAT32)


def _raw(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    for element in (FLOAT32, FLOAT16, INT8, INT64):
        script.raw(_values(random, element, 200).view(element.dtype), element)
    pruned = _values(random, BFLOAT16, 300).view(BFLOAT16.dtype)
    pruned[random.random(300) < 0.6] = 0
    return script.raw(pruned, BFLOAT16)


def _group(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)

    def member(element: Element, place: int, count: int) -> tuple[int, Array]:
        start = base.places[element] + place * element.size_bytes
        steps = np.round(random.normal(0, 9, count))
        return start, moved(script, start, element, (1, count), steps)[0]

    script.group([member(FLOAT32, 0, 33), member(FLOAT32, 99, 64), member(FLOAT32, 40, 7)], FLOAT32)
    script.group([member(INT8, 10, 50), member(INT8, 200, 30)], INT8)
    script.member(FLOAT32).member(INT8).copy(base.text, 20).member(FLOAT32).member(INT8)
    return script.member(FLOAT32).copy(base.text + 20, 20)


def _scaled(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    shapes = {FLOAT32: (20, 22), FLOAT16: (64, 33), BFLOAT16: (20, 22), INT8: (30, 50)}
    kinds = (Kind.SCALED, Kind.ROWS_SCALED, Kind.COLUMNS_SCALED)
    for number, (element, shape) in enumerate(shapes.items()):
        for kind in (kinds[number % 3], kinds[(number + 1) % 3]):
            count = {Kind.SCALED: 1, Kind.ROWS_SCALED: shape[0], Kind.COLUMNS_SCALED: shape[1]}[kind]
            factors = (1 + random.normal(0, 0.02, count)).astype("<f8" if kind is Kind.SCALED else "<f4")
            prediction = Scaled(element, kind, factors)
            start = base.places[element]
            new = prediction.of(script.at(start, element, *shape), 0).copy()
            new[::7, ::5] += 1
            script.delta(start, new, element, prediction)
    return script


def _low_rank(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    for element, shape in ((FLOAT32, (20, 22)), (FLOAT16, (20, 22)), (BFLOAT16, (20, 22))):
        left, right = random.normal(0, 0.1, (shape[0], 2)), random.normal(0, 0.1, (2, shape[1]))
        prediction = LowRank(element, left.astype("<f4"), right.astype("<f4"))
        start = base.places[element]
        new = prediction.of(script.at(start, element, *shape), 0).copy()
        new[3, 4] += 1
        script.delta(start, new, element, prediction)
    return script


def _transposed(base: Layout, random: np.random.Generator) -> Script:
    script = Script(base.data)
    for element, (rows, columns) in ((FLOAT32, (22, 20)), (INT8, (50, 30))):
        start = base.places[element]
        before = np.ascontiguousarray(script.at(start, element, columns, rows).T)
        steps = np.round(random.normal(0, 4, (rows, columns))).astype(element.dtype)
        script.transposed(start, monotone(monotone(before, element) + steps, element), element)
    return script


def _same(base: Layout, random: np.random.Generator) -> Script:
    return Script(base.data).copy(0, len(base.data))


def _empty(base: Layout, random: np.random.Generator) -> Script:
    return Script(base.data)


_HAND: tuple[tuple[str, str, Callable[[Layout, np.random.Generator], Script]], ...] = (
    ("empty", "a result of no bytes", _empty),
    ("same", "COPY of the whole base", _same),
    ("bytes", "COPY and LITERAL, with a dictionary of two ranges", _bytes),
    ("literal", "LITERAL without a dictionary", _literal),
    ("literal-lzma", "LITERAL packed with LZMA2", _lzma),
    ("dense", "DELTA, dense residuals by the contexts of values alone", _dense(rows=False, columns=False)),
    ("dense-rows", "dense residuals with levels of rows", _dense(rows=True, columns=False)),
    ("dense-columns", "dense residuals with levels of columns", _dense(rows=False, columns=True)),
    ("dense-both", "dense residuals with levels of rows and columns", _dense(rows=True, columns=True)),
    ("sparse", "sparse residuals, with gaps that need an escape", _sparse),
    ("masked", "blocks in which most rows did not change", _masked),
    ("spanning", "a masked block that spans more rows than may change in one", _spanning),
    ("unchanged", "sparse residuals of which there are none", _unchanged),
    ("digits", "every way of packing digits, with strays", _digits),
    ("wide", "all element types, and residuals that no symbol holds", _wide),
    ("unrelated", "a block that is told without its prediction", _unrelated),
    ("raw", "RAW, plain and with a mask of zeros", _raw),
    ("group", "GROUP and MEMBER, two groups open at a time", _group),
    ("scaled", "predictions scaled by one factor, by rows and by columns", _scaled),
    ("low-rank", "predictions with a low-rank update", _low_rank),
    ("transposed", "TRANSPOSED", _transposed),
)


def write() -> None:
    """Put the files and their index into the documentation."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.bin*"):
        old.unlink()
    index: dict[str, list[dict[str, object]]] = {"sound": [], "refused": []}
    for vector in (*written_by_hand(), *made_of_containers()):
        names = {"base": _put(vector.base), "delta": _put(vector.delta), "result": _put(vector.result)}
        index["sound"].append({"name": vector.name, "covers": vector.covers, **names})
    for case in broken():
        told: dict[str, object] = {"base": _put(case.base), "delta_base64": base64.b64encode(case.delta).decode()}
        told["max_result_bytes"] = case.max_result_bytes
        index["refused"].append({"name": case.name, "says": case.says, **told})
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def _put(data: bytes) -> str:
    """Files are named by their SHA-256, so that what is shared is kept once; large ones are packed."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = FOLDER / f"{sha256[:16]}.bin"
    if len(data) <= LARGE_BYTES:
        path.write_bytes(data)
    else:
        path.with_suffix(".bin.gz").write_bytes(gzip.compress(data, mtime=0))
    return sha256


def read(sha256: str) -> bytes:
    """The file of that digest."""
    path = FOLDER / f"{sha256[:16]}.bin"
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_suffix(".bin.gz").read_bytes())
    assert hashlib.sha256(data).hexdigest() == sha256
    return data


if __name__ == "__main__":
    write()
