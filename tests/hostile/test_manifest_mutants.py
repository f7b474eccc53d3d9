"""A manifest is read in its one form or refused, in one way and within bounds."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from manifest_decode import prepare_blank

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from edgewright.contract.preprocessing import Tensor
from edgewright.contract.preprocessing.axes import Pad, Reshape, Transpose
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.picture import Crop, Method, Resize
from edgewright.contract.preprocessing.signal import Fft, Shape, Window
from edgewright.contract.tensors import Dtype, TensorSpec
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
    for honest in (manifest_bytes(), prepared_manifest()):
        for mutant in mutants(honest, [honest], seed, count // 2):
            for data in (mutant, recoded(mutant)):
                try:
                    manifest = manifests.decode(data)
                except HostileInput:
                    counts["refused"] += 1
                else:
                    counts["another manifest" if data != honest else "the same"] += 1
                    assert manifests.encode(manifest) == data
                    assert manifest.size_bytes <= manifests.MAX_PACKAGE_BYTES
                    prepare_blank(manifest.contract)
    return counts


def prepared_manifest() -> bytes:
    """As `manifest_bytes`, with a step of every kind that works on numbers."""
    picture, sound = Tensor(Dtype.UINT8, (None, None, 9, 3)), Tensor(Dtype.FLOAT32, (None, 24))
    inputs = {"image": picture, "sound": sound}
    steps = (
        Resize(input="image", height=6, width=5, method=Method.BILINEAR_ANTIALIAS),
        Crop(input="image", height=4, width=7, left=-1),
        Cast(input="image", dtype=Dtype.FLOAT32, factor=0.5, offset=1.0),
        Normalise(input="image", mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 3.0)),
        Transpose(input="image", axes=(0, 3, 1, 2)),
        Reshape(input="image", output="flat", shape=(84,)),
        Pad(input="sound", before=(0, 1), after=(0, 2)),
        Window(input="sound", output="frames", frame=8, hop=4, window=Shape.HAMMING),
        Fft(input="frames", length=16, log=True),
    )
    specs = tuple(TensorSpec(name=name, dtype=one.dtype, shape=one.shape) for name, one in inputs.items())
    manifest = manifests.decode(manifest_bytes())
    contract = msgspec.structs.replace(manifest.contract, inputs=specs, preprocessing=steps)
    return manifests.encode(msgspec.structs.replace(manifest, contract=contract))


def recoded(mutant: bytes) -> bytes:
    """In canonical form, where it is JSON."""
    try:
        return msgspec.json.encode(msgspec.json.decode(mutant), order="sorted")
    except (ValueError, RecursionError):
        return mutant
