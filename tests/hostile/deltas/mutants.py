"""Mutants of deltas: of the file, of its script as unpacked, and of the numbers in its header."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgewright.contract.delta.format import Header, read_header
from edgewright.contract.delta.reader import Reader
from edgewright.contract.delta.writer import Writer, deflate
from hostile.deltas import vectors
from hostile.mutants import BYTE_MUTATIONS

NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 1 << 14, 1 << 18, 1 << 20, 1 << 22)
HUGE = (1 << 24, 1 << 31, 1 << 40, (1 << 62) + 1, (1 << 63) - 1)


@dataclass(frozen=True)
class Sound:
    """A delta that applies."""

    name: str
    base: bytes
    delta: bytes
    result: bytes


def sound_deltas() -> tuple[Sound, ...]:
    """The vectors of the documentation."""
    index = json.loads((vectors.FOLDER / "index.json").read_text())["sound"]
    parts = ("base", "delta", "result")
    return tuple(Sound(one["name"], *(vectors.read(one[part]) for part in parts)) for one in index)


def delta_mutants(sounds: tuple[Sound, ...], seed: int, count: int) -> Iterator[tuple[Sound, bytes]]:
    """`count` mutants of all of them in turn, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        sound = sounds[number % len(sounds)]
        yield sound, delta_mutant(chance, sound.delta, sounds)


def delta_mutant(chance: random.Random, delta: bytes, sounds: tuple[Sound, ...]) -> bytes:
    """One mutant of a delta that applies; of anything else, bytes moved about."""
    parts = _taken_apart(delta)
    kind = chance.random()
    if parts is None or kind < 0.3:
        return chance.choice(BYTE_MUTATIONS)(chance, delta or b"\0", [one.delta for one in sounds])
    header, script, rest = parts
    if kind < 0.7:
        return _put_together(header, _with_numbers(chance, script), rest)
    if kind < 0.85:
        return _put_together(header, script, _rest_mutant(chance, header, rest))
    return _put_together(_header_mutant(chance, header), script, rest)


def _with_numbers(chance: random.Random, script: bytes) -> bytes:
    """The script with a few numbers overwritten, put in or taken out."""
    data = bytearray(script)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        number = Writer()
        number.varint(chance.choice(NUMBERS if chance.random() < 0.8 else HUGE))
        data[place : place + chance.choice((0, 1, 1, 1, 2))] = number.data
    return bytes(data)


def _rest_mutant(chance: random.Random, header: Header, rest: bytes) -> bytes:
    """Bytes of the payload overwritten, as far as there are any behind the literals."""
    data = bytearray(rest)
    if len(data) > header.literal_bytes:
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(header.literal_bytes, len(data))] = chance.choice((0, 1, 2, 3, 127, 128, 255))
    return bytes(data)


def _header_mutant(chance: random.Random, header: Header) -> Header:
    name = chance.choice(("base_bytes", "result_bytes", "script_bytes", "literal_bytes", "result_sha256"))
    if name == "result_sha256":
        return replace(header, result_sha256=chance.randbytes(32))
    number = chance.choice((*NUMBERS, *HUGE, getattr(header, name) + 1, max(0, getattr(header, name) - 1)))
    return replace(header, **{name: number})


def _taken_apart(delta: bytes) -> tuple[Header, bytes, bytes] | None:
    try:
        reader = Reader(memoryview(delta))
        header = read_header(reader)
        script = zlib.decompress(reader.take(header.script_bytes), -15)
        return header, script, bytes(reader.take(reader.remaining))
    except Exception:
        return None


def _put_together(header: Header, script: bytes, rest: bytes) -> bytes:
    packed = deflate(script)
    writer = Writer()
    replace(header, script_bytes=len(packed)).write(writer)
    return bytes(writer.data) + packed + rest
