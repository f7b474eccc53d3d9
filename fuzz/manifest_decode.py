"""Fuzz target: the bytes of a package manifest."""

from __future__ import annotations

import contextlib
import random

import msgspec
import numpy as np

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.preprocessing import MAX_ROW_ELEMENTS, row_elements, tables
from edgewright.contract.preprocessing.running import Preparation
from edgewright.contract.tensors import Contract, Dtype
from hostile.mutants import json_mutant

MAX_ELEMENTS = 2**18


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
    prepare_blank(manifest.contract)


def prepare_blank(contract: Contract) -> None:
    """What the steps make of a blank row is what was inferred, and bounded; large ones are left out for speed."""
    raw, made = contract.raw(), contract.prepared()
    if tables(contract.preprocessing) or sum(map(row_elements, (*raw.values(), *made.values()))) > MAX_ELEMENTS:
        return
    blank = {
        name: np.zeros([1, *(size or 1 for size in tensor.shape[1:])], tensor.dtype.value)
        for name, tensor in raw.items()
        if tensor.shape and tensor.dtype is not Dtype.STRING and 0 not in tensor.shape
    }
    if set(blank) == set(raw):
        with contextlib.suppress(InvalidInput):
            prepared = Preparation(raw, contract.preprocessing, str.encode)(blank)
            for name, tensor in made.items():
                sizes = zip(tensor.shape[1:], prepared[name].shape[1:], strict=True)
                assert all(want in (None, got) for want, got in sizes)
                assert prepared[name].size <= MAX_ROW_ELEMENTS


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of the JSON, mostly in canonical form, so that it gets past the first check."""
    mutant = json_mutant(chance, data)
    with contextlib.suppress(ValueError, RecursionError, msgspec.MsgspecError):
        if chance.random() < 0.9:
            return msgspec.json.encode(msgspec.json.decode(mutant), order="sorted")
    return mutant
