"""Hostile neighbours of honest bytes: bits flipped, pieces cut and moved, and JSON that means something else."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

DEEP = 100_000
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**400,
    0.5,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    "0",
    "../../etc/passwd",
    "a\x00b",
    "\ud800",
    "\u202erelease",
    "rооt",  # with Cyrillic letters
    "x" * 5000,
    [],
    {},
    [[]],
    {"": None},
    [None] * 2000,
)

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def mutants(data: bytes, donors: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """`count` mutants of `data`, the same for the same seed. `donors` are other honest bytes to splice from."""
    chance = random.Random(seed)
    is_json = _parsed(data) is not None
    kinds = [*BYTE_MUTATIONS, *JSON_MUTATIONS] if is_json else list(BYTE_MUTATIONS)
    for number in range(count):
        mutant = kinds[number % len(kinds)](chance, data, donors)
        yield mutant if mutant != data else flipped(chance, data, donors)


def json_mutant(chance: random.Random, data: bytes) -> bytes:
    """Another JSON of nearly the same meaning; `data` itself where it is none."""
    return chance.choice(JSON_MUTATIONS)(chance, data, ()) if _parsed(data) is not None else data


def flipped(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """One to three bits."""
    mutant = bytearray(data or b"\0")
    for _ in range(chance.randint(1, 3)):
        mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
    return bytes(mutant) if mutant != data else bytes(mutant) + b"\0"


def truncated(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """The beginning, or the end."""
    place = chance.randrange(len(data))
    return data[:place] if chance.random() < 0.7 else data[place + 1 :]


def cut(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """A piece taken out, doubled, or written over another place."""
    start, length, other = chance.randrange(len(data)), chance.randint(1, 64), chance.randrange(len(data))
    piece = data[start : start + length]
    match chance.randrange(3):
        case 0:
            return data[:start] + data[start + length :]
        case 1:
            return data[:other] + piece + data[other:]
        case _:
            return data[:other] + piece + data[other + len(piece) :]


def overwritten(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """A few bytes of one value, or chance bytes."""
    start, length = chance.randrange(len(data)), chance.randint(1, 8)
    piece = bytes([chance.choice((0, 0x7F, 0x80, 0xFF, 0x30, 0x22))]) * length
    return data[:start] + (piece if chance.random() < 0.6 else chance.randbytes(length)) + data[start + length :]


def spliced(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """The beginning of this and the end of another, or another as a whole."""
    donor = chance.choice(list(donors) or [b""])
    if chance.random() < 0.2:
        return donor
    return data[: chance.randrange(len(data))] + donor[chance.randrange(max(1, len(donor))) :]


def wrapped(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """Something in front, behind, or around; another encoding; nothing at all."""
    text = data.decode("latin-1")
    ways = (
        b"\xef\xbb\xbf" + data,
        text.encode("utf-16"),
        text.encode("utf-32"),
        data + b"\0",
        data + data,
        b"[" + data + b"]",
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"signed":' + b"[" * DEEP,
        b"\x91" * DEEP,
        b"",
        b"null",
        b"{}",
        b"-",
        b'"' + b"a" * DEEP + b'"',
        b"9" * DEEP,
    )
    return chance.choice(ways)


def respelled(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """The same JSON, written otherwise: white space, escapes, order of keys."""
    tree = _parsed(data)
    match chance.randrange(3):
        case 0:
            return json.dumps(tree, indent=chance.randint(0, 3)).encode()
        case 1:
            return json.dumps(_shuffled(chance, tree)).encode()
        case _:
            return data.replace(b"e", b"\\u0065")


def retyped(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """One value of the JSON is another, mostly of another type."""
    tree = _parsed(data)
    holder, key = chance.choice(list(_places(tree)))
    holder[key] = chance.choice(HOSTILE_VALUES)
    return _dumped(tree)


def reordered(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """Two values of the JSON have changed places."""
    tree = _parsed(data)
    places = list(_places(tree))
    (holder, key), (other, name) = chance.choice(places), chance.choice(places)
    holder[key], other[name] = json.loads(json.dumps([other[name], holder[key]]))
    return _dumped(tree)


def grafted(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """One value of the JSON comes from another honest one: signatures, key ids, whole signed parts."""
    tree = _parsed(data)
    others = [parsed for donor in donors if (parsed := _parsed(donor)) is not None] or [_parsed(data)]
    holder, key = chance.choice(list(_places(tree)))
    alike = [found[name] for other in others for found, name in _places(other) if name == key]
    holder[key] = chance.choice(alike or [chance.choice(others)])
    return _dumped(tree)


def pruned(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """A key or an item is missing, has another name, or stands twice."""
    tree = _parsed(data)
    holder, key = chance.choice(list(_places(tree)))
    value = holder.pop(key)
    if isinstance(holder, list):
        holder += [value] * chance.choice((0, 2, 3, 50))
    elif chance.random() < 0.6:
        holder[chance.choice((key.upper(), key + " ", "x-" + key, "__class__", ""))] = value
    return _dumped(tree)


def doubled(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """A key stands twice, with two values."""
    tree = _parsed(data)
    objects = [(holder, key) for holder, key in _places(tree) if isinstance(holder, dict)]
    holder, key = chance.choice(objects)
    marker = "\ue000doubled"
    values = [_dumped(holder[key]), _dumped(chance.choice(HOSTILE_VALUES))]
    chance.shuffle(values)
    holder[key] = marker
    twice = values[0] + b"," + _dumped(key) + b":" + values[1]
    return _dumped(tree).replace(_dumped(marker), twice, 1)


def rewritten_inside(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    """Where a string is base64 of JSON (an envelope's payload), what is inside is a mutant."""
    tree = _parsed(data)
    inner = [(holder, key, packed) for holder, key in _places(tree) if (packed := _unpacked(holder[key]))]
    if not inner:
        return retyped(chance, data, donors)
    holder, key, packed = chance.choice(inner)
    mutation = chance.choice([*BYTE_MUTATIONS, retyped, reordered, pruned, doubled, respelled])
    holder[key] = base64.b64encode(mutation(chance, packed, donors)).decode()
    return _dumped(tree)


BYTE_MUTATIONS: tuple[Mutation, ...] = (flipped, truncated, cut, overwritten, spliced, flipped, wrapped)
JSON_MUTATIONS: tuple[Mutation, ...] = (
    retyped,
    reordered,
    grafted,
    pruned,
    doubled,
    respelled,
    retyped,
    rewritten_inside,
    grafted,
)


def _parsed(data: bytes) -> Any:
    """A fresh tree of JSON objects and arrays, or None."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict | list) and tree else None


def _unpacked(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        packed = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return packed if _parsed(packed) is not None else None


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a tree, as its holder and its key there."""
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))
    for key, value in items:
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _shuffled(chance: random.Random, tree: Any) -> Any:
    if isinstance(tree, list):
        return [_shuffled(chance, item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    items = [(key, _shuffled(chance, value)) for key, value in tree.items()]
    chance.shuffle(items)
    return dict(items)


def _dumped(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()
