"""A manifest is read in its one form or refused, in one way and within bounds."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from hostile.campaign import SEED, scaled, tell
from hostile.mutants import mutants
from hostile.signed import manifest_bytes

QUICK, LONG = 1500, 30_000


def test_mutants_of_manifests_are_refused_or_are_manifests():
    counts = manifest_campaign(SEED, scaled(QUICK))

    assert counts["refused"] > 0.5 * sum(counts.values())


@pytest.mark.slow
def test_a_long_campaign_of_mutants_of_manifests(capsys):
    counts = manifest_campaign(SEED + 1, scaled(LONG))

    tell(capsys, "manifests", SEED + 1, counts)


def manifest_campaign(seed: int, count: int) -> Counter[str]:
    """What became of so many mutants of a manifest, half of them in canonical form."""
    counts: Counter[str] = Counter()
    honest = manifest_bytes()
    for mutant in mutants(honest, [honest], seed, count):
        for data in (mutant, recoded(mutant)):
            try:
                manifest = manifests.decode(data)
            except HostileInput:
                counts["refused"] += 1
            else:
                counts["another manifest" if data != honest else "the same"] += 1
                assert manifests.encode(manifest) == data
                assert manifest.size_bytes <= manifests.MAX_PACKAGE_BYTES
    return counts


def recoded(mutant: bytes) -> bytes:
    """In canonical form, where it is JSON."""
    try:
        return msgspec.json.encode(msgspec.json.decode(mutant), order="sorted")
    except (ValueError, RecursionError):
        return mutant
