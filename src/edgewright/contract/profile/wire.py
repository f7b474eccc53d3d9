"""Counts as bytes: planes of their lowest bytes, their next ones and so on, deflated; read one by one or by thousands.

Byte 0 is the format. Byte 1 says how many planes there are, with 128 added where numbers may be below zero (two's
complement). Then follows deflate (RFC 1951) of the planes, each one byte of every number in turn.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import HostileInput

FORMAT = 2
MAX_PLANES = 7
MAX_NUMBER = 2**55
"""Of one count, and of what counts add up to: more than 127 times the rows that are ever counted."""
MAX_NUMBERS = 200_000
"""What a profile is believed to have where no schema says it."""
SIGNED = 128
Numbers = npt.NDArray[np.int64]


def encode(numbers: Numbers) -> bytes:
    """The wire form of `numbers`, each between -2**55 and 2**55."""
    is_signed = bool(numbers.min(initial=0) < 0)
    planes = _planes(numbers, is_signed)
    raw = numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :planes].T.tobytes()
    packed = (_deflate(raw, strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE))
    return bytes([FORMAT, planes | (SIGNED if is_signed else 0)]) + min(packed, key=len)


def decode(payload: bytes, count: int) -> Numbers:
    """Read `count` numbers. Raises HostileInput on anything else."""
    return total([payload], count)


def total(payloads: Sequence[bytes], count: int | None = None) -> Numbers:
    """The sums of many payloads, number by number; without `count` all must have equally many.

    Raises HostileInput where one cannot be read, or the sums are larger than any count can be.
    """
    groups: dict[int, list[bytes]] = defaultdict(list)
    for payload in payloads:
        groups[_head(payload)].append(_inflate(payload, MAX_NUMBERS if count is None else count))
    counts = {size for head, raws in groups.items() for size in _sizes(raws, head & ~SIGNED)}
    if len(counts) != 1 or (count is not None and counts != {count}):
        told = ", ".join(map(str, sorted(counts)[:5])) or "nothing"
        raise HostileInput(f"a profile of {count or 'equally many'} numbers, not {told}", field="payload")
    size = counts.pop()
    sums = np.zeros(size, np.int64)
    magnitude = np.zeros(size)
    for head, raws in groups.items():
        for shift, plane in _added(raws, head & ~SIGNED, size, bool(head & SIGNED)):
            sums += plane << shift
            magnitude += plane * 2.0**shift
    if (np.abs(magnitude) > MAX_NUMBER).any():
        raise HostileInput(f"a profile counts at most {MAX_NUMBER}", field="payload")
    return sums


def _added(raws: list[bytes], planes: int, size: int, is_signed: bool) -> Iterable[tuple[int, Numbers]]:
    """Each plane of the payloads of one shape, added up, with the bits that it lies to the left."""
    stacked = np.frombuffer(b"".join(raws), np.uint8).reshape(len(raws), planes, size)
    for plane in range(planes):
        is_top = is_signed and plane == planes - 1
        yield 8 * plane, (stacked.view(np.int8) if is_top else stacked)[:, plane].sum(axis=0, dtype=np.int64)


def _planes(numbers: Numbers, is_signed: bool) -> int:
    largest = max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)) - 1)
    return max(1, -(-(largest.bit_length() + is_signed) // 8))


def _head(payload: bytes) -> int:
    if len(payload) < 3 or payload[0] != FORMAT or not 1 <= payload[1] & ~SIGNED <= MAX_PLANES:
        raise HostileInput(f"{len(payload)} bytes are no profile of format {FORMAT}", field="payload")
    return payload[1]


def _sizes(raws: list[bytes], planes: int) -> set[int]:
    lengths = set(map(len, raws))
    if any(length == 0 or length % planes for length in lengths):
        raise HostileInput("the profile ends in the middle of a plane", field="payload")
    return {length // planes for length in lengths}


def _deflate(raw: bytes, strategy: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return packer.compress(raw) + packer.flush()


def _inflate(payload: bytes, count: int) -> bytes:
    limit = (payload[1] & ~SIGNED) * count
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        raw = inflater.decompress(payload[2:], limit + 1)
    except zlib.error as error:
        raise HostileInput(f"the profile does not decompress: {error}", field="payload") from error
    if not inflater.eof or inflater.unused_data or len(raw) > limit:
        raise HostileInput(f"the profile is cut short, or has more than {limit} bytes", field="payload")
    return raw
