"""Fuzz target: the bytes of a package manifest."""

from __future__ import annotations

import contextlib
import random

import msgspec

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from hostile.mutants import json_mutant


def consume(data: bytes) -> None:
    """A manifest that is read is whole: its bytes are canonical, its files stay in their folder and within bounds."""
    try:
        manifest = manifests.decode(data)
    except HostileInput:
        return
    assert manifests.encode(manifest) == data
    assert 0 <= manifest.size_bytes <= manifests.MAX_PACKAGE_BYTES
    assert all(manifests.is_plain_name(file.name) for file in manifest.files)
    manifest.runtime.takes("1.23.2")


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of the JSON, mostly in canonical form, so that it gets past the first check."""
    mutant = json_mutant(chance, data)
    with contextlib.suppress(ValueError, RecursionError, msgspec.MsgspecError):
        if chance.random() < 0.9:
            return msgspec.json.encode(msgspec.json.decode(mutant), order="sorted")
    return mutant
