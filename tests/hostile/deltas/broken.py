"""Deltas that must be refused, and what an applier says of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgewright.contract.delta.coding.elements import FLOAT32, FLOAT64, INT8
from edgewright.contract.delta.format import MAX_LZMA_BITS, Op
from edgewright.contract.delta.writer import deflate
from hostile.deltas.script import TEXT, Script

BASE = TEXT[:1024]
WRONG_BASE, HOSTILE = "wrong_base", "hostile_input"
LIMIT_BYTES = 1 << 20


@dataclass(frozen=True)
class Broken:
    """`name` tells what is wrong; `says` is the code of the refusal."""

    name: str
    delta: bytes
    base: bytes = BASE
    says: str = HOSTILE
    max_result_bytes: int = LIMIT_BYTES


def broken() -> Iterator[Broken]:
    """Every kind of refusal."""
    sound = Script(BASE).copy(0, 500).literal(b"some other bytes").finish()
    yield Broken("a base of other bytes", sound, base=BASE[:-1] + b"?", says=WRONG_BASE)
    yield Broken("a base of another length", sound, base=BASE[:-1], says=WRONG_BASE)
    yield Broken("a result that is larger than allowed", sound, max_result_bytes=515)
    yield Broken("no bytes at all", b"")
    yield Broken("a header that is cut", sound[:60])
    yield Broken("another magic", b"EWD9" + sound[4:])
    yield Broken("the last byte is missing", sound[:-1])
    yield Broken("a byte too many", sound + b"\0")
    yield Broken("a result with another digest", sound[:40] + bytes([sound[40] ^ 1]) + sound[41:])
    yield Broken("a script that is no DEFLATE", _with_script(sound, b"\xff\xff\xff\xff"))
    yield Broken("a script with bytes behind it", Script(BASE).copy(0, 9).finish(script_tail=b"\0"))
    for name, script, size in _scripts():
        yield Broken(name, script.finish(result=bytes(size)), script.base)


def _scripts() -> Iterator[tuple[str, Script, int]]:
    """Name, script, and the length that the header gives the result."""
    yield "a number of more than 63 bits", Script(BASE).numbers(1 << 63), 9
    yield "an operation that nobody knows", Script(BASE).numbers(max(Op) + 1), 9
    yield "more operations than the result has room for", Script(BASE).copy(0, 5).copy(0, 5), 5
    yield "a script that ends too early", Script(BASE).copy(0, 5), 9
    yield "a COPY of nothing", Script(BASE).numbers(Op.COPY, 0, 0), 9
    yield "a COPY beyond the end of the base", Script(BASE).numbers(Op.COPY, 9, 2 * len(BASE)), 9
    yield "a COPY from before the base", Script(BASE).numbers(Op.COPY, 9, 1), 9
    yield "a COPY past the result", Script(BASE).numbers(Op.COPY, 1 << 40, 0), 9
    yield "a LITERAL that is not there", Script(BASE).numbers(Op.LITERAL, 9), 9
    over = Script(BASE).literal(b"x" * 9)
    over.literals += b"more"
    yield "literals that nobody asks for", over, 9
    bomb = Script(BASE).literal(b"x" * 9)
    bomb.literals += bytes(1 << 22)
    yield "literals that unpack to 4 MiB where 9 bytes are asked for", bomb, 9
    yield "a dictionary beyond the base", Script(BASE, [(1000, 100)]).literal(b"x"), 1
    yield "a dictionary of empty ranges", Script(BASE, [(0, 0)]).literal(b"x"), 1
    large = Script(BASE, lzma_bits=16)
    large.script.data[0] = MAX_LZMA_BITS + 1
    yield "an LZMA2 window that is too large", large.literal(b"x"), 1
    yield "rows without columns", Script(BASE).numbers(Op.DELTA, FLOAT32.code, 0, 1, 0), 4
    yield "a row that passes a block", Script(BASE).numbers(Op.DELTA, FLOAT64.code, 1 << 18, 1, 0), 9
    yield "an element type that nobody knows", Script(BASE).numbers(Op.RAW, 8, 1), 4
    yield "a payload that is not there", Script(BASE).numbers(Op.RAW, FLOAT32.code, 2), 8
    yield "a RAW past the result", Script(BASE).numbers(Op.RAW, FLOAT32.code, 1 << 30), 8
    yield "a member of no group", Script(BASE).numbers(Op.MEMBER, INT8.code), 8
    yield "a group without members", Script(BASE).numbers(Op.GROUP, INT8.code, 0), 8
    yield "an empty member", Script(BASE).numbers(Op.GROUP, INT8.code, 1, 0, 0), 8
    yield "a group of too many elements", Script(BASE).numbers(Op.GROUP, INT8.code, 1, (1 << 18) + 1, 0), 8
    yield "a group with a member that has no place", _open_group(), 2
    packed = deflate(bytes(1 << 22))
    yield "a packed piece that unpacks to 4 MiB", _raw(8000, _varint(len(packed)) + packed), 8000
    yield from _payloads()


def _raw(count: int, payload: bytes) -> Script:
    script = Script(BASE).numbers(Op.RAW, INT8.code, count)
    script.payload.raw(b"\0" + payload)
    return script


def _open_group() -> Script:
    script = Script(BASE)
    before = script.at(0, INT8, 1, 4)[0]
    return script.group([(0, before), (8, before)], INT8).literal(b"xy")


def _payloads() -> Iterator[tuple[str, Script, int]]:
    """A DELTA of 16 columns and 4 rows of bytes, or 4 columns and 4 rows of singles, with this payload."""
    for name, payload in (
        ("a prediction that nobody knows", b"\x09"),
        ("a block of no rows", b"\0\0"),
        ("a block of more rows than there are", b"\0\5\0\0"),
        ("flags that nobody knows", b"\0\4\x20"),
        ("levels without dense residuals", b"\0\4\x04\0"),
        ("a mask that is cut", b"\0\4\x01"),
        ("residuals of no rows", b"\0\4\x03\0\0"),
        ("more residuals than elements", b"\0\4\0\x41"),
        ("a gap beyond the block", b"\0\4\0\1\0\0\x7f\0\0\0"),
        ("a gap that is shifted too far", b"\0\4\0\1\x13"),
        ("contexts that are too coarse", b"\0\4\2\x07"),
    ):
        yield name, _delta(INT8.code, 16, 4, payload), 64
    for name, payload in (
        ("a factor that is not finite", b"\1\0\0\0\0\0\0\xf8\x7f"),
        ("a factor of a column that is not finite", b"\4" + _planes(b"\0\0\xc0\x7f", 4)),
        ("a rank larger than its tensor", b"\2\x03"),
        ("a shift of more bits than an element has", b"\0\4\2\0\0\x20"),
    ):
        yield name, _delta(FLOAT32.code, 4, 4, payload), 64


def _delta(code: int, columns: int, rows: int, payload: bytes) -> Script:
    script = Script(bytes(64) + BASE[64:]).numbers(Op.DELTA, code, columns, rows, 0)
    script.payload.raw(payload)
    return script


def _planes(value: bytes, count: int) -> bytes:
    """A number so many times, in a plane for each of its bytes, each as it is."""
    return b"".join(b"\0" + bytes([byte]) * count for byte in value)


def _varint(value: int) -> bytes:
    return bytes([value & 127 | 128, value >> 7])


def _with_script(sound: bytes, script: bytes) -> bytes:
    """The same file with the beginning of its script overwritten."""
    start = 4 + 64 + 6
    return sound[:start] + script + sound[start + len(script) :]
