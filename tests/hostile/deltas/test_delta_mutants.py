"""Deltas from the network are refused in one way, and take no more than the sizes that were declared and allowed."""

from __future__ import annotations

import hashlib
import random
import resource
import tracemalloc
from collections import Counter

import pytest

from edgewright.contract.delta.applier import apply_bytes
from edgewright.contract.delta.format import read_header
from edgewright.contract.delta.reader import Reader
from edgewright.contract.errors import HostileInput
from hostile.campaign import SEED, scaled, tell
from hostile.deltas.mutants import Sound, delta_mutants, sound_deltas

SOUND = sound_deltas()
QUICK_DELTAS, LONG_DELTAS = 2000, 70_000
ALLOWED_BYTES = (1 << 16, 1 << 30)
PATIENCE_BYTES = 4 << 20
MEMORY_BYTES = 24 << 20
MEASURED_EVERY = 20


class Enough(Exception):
    """The sink has seen as much of a huge result as the test has time for."""


def apply_mutant(sound: Sound, delta: bytes, allowed_bytes: int) -> str:
    """What became of it; fails if more was written than the header declares, or than was allowed."""
    written = hashlib.sha256()
    count = 0

    def write(data: bytes | memoryview) -> None:
        nonlocal count
        count += len(data)
        written.update(data)
        if count > PATIENCE_BYTES:
            raise Enough

    try:
        digest = apply_bytes(sound.base, delta, write, max_result_bytes=allowed_bytes)
    except HostileInput:
        outcome = "refused"
    except Enough:
        outcome = "stopped"
    else:
        outcome = "applied"
        assert digest == written.hexdigest()
    if count:
        declared_bytes = read_header(Reader(memoryview(delta))).result_bytes
        assert count <= min(declared_bytes, allowed_bytes)
    if outcome == "applied":
        return "harmless" if digest == hashlib.sha256(sound.result).hexdigest() else "another file"
    return outcome


def delta_campaign(seed: int, count: int) -> tuple[Counter[str], int]:
    """What became of so many mutants, and the most memory that one of those that were measured took."""
    counts: Counter[str] = Counter()
    peak_bytes = 0
    chance = random.Random(seed)
    for number, (sound, delta) in enumerate(delta_mutants(SOUND, seed, count)):
        is_measured = number % MEASURED_EVERY == 0
        if is_measured:
            tracemalloc.start()
        counts[apply_mutant(sound, delta, chance.choice(ALLOWED_BYTES))] += 1
        if is_measured:
            peak_bytes = max(peak_bytes, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    return counts, peak_bytes


def test_mutants_of_deltas_are_refused_or_harmless_in_little_memory():
    counts, peak_bytes = delta_campaign(SEED, scaled(QUICK_DELTAS))

    assert sum(counts.values()) == scaled(QUICK_DELTAS)
    assert counts["refused"] > 0.8 * sum(counts.values())
    assert peak_bytes < MEMORY_BYTES


@pytest.mark.slow
def test_a_long_campaign_of_mutants_of_deltas(capsys):
    counts, peak_bytes = delta_campaign(SEED + 1, scaled(LONG_DELTAS))

    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    tell(capsys, "deltas", SEED + 1, counts, f"at most {peak_bytes:,} bytes each, {rss_bytes:,} bytes resident in all")
    assert peak_bytes < MEMORY_BYTES
