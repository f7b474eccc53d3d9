"""Fuzz target: applying a delta to the base that its header names."""

from __future__ import annotations

import hashlib
import random

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.errors import HostileInput
from hostile.deltas.mutants import delta_mutant, sound_deltas

SOUND = sound_deltas()
BASES = {hashlib.sha256(one.base).digest(): one.base for one in SOUND}
ALLOWED_BYTES = 4 << 20
BASE_DIGEST = slice(4, 36)
RESULT_DIGEST = slice(36, 68)


def consume(data: bytes) -> None:
    """No more is written than was allowed, and what is taken for a result has the digest that the header names."""
    written = bytearray()
    base = BASES.get(data[BASE_DIGEST], b"")
    try:
        digest = apply_bytes(base, data, written.extend, max_result_bytes=ALLOWED_BYTES)
    except HostileInput:
        assert len(written) <= ALLOWED_BYTES
        return
    assert hashlib.sha256(written).hexdigest() == digest == data[RESULT_DIGEST].hex()


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The script is unpacked, changed and packed again, as no other mutation gets through DEFLATE."""
    return delta_mutant(chance, data, SOUND)
