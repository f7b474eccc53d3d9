"""The package manifest: its canonical bytes, its bounds, and what it needs of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput
from edgewright.contract.manifest import Budgets, Dependency, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.contract.wire import MAX_BLOB_BYTES


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [
        ("1.19.9", False),
        ("1.20", True),
        ("1.20.0", True),
        ("1.23.2+cpu", True),
        ("1.100", True),
        ("2", False),
        ("2.0.0", False),
        ("none", False),
    ],
)
def test_a_runtime_is_taken_from_its_minimum_up_to_but_not_its_bound(version: str, is_taken: bool) -> None:
    needed = Runtime(name="onnxruntime", minimum="1.20.0", below="2")

    assert needed.takes(version) is is_taken


def test_no_bound_takes_every_later_version() -> None:
    assert Runtime(name="onnxruntime", minimum="1.20", below="").takes("99.1")


def test_equal_manifests_have_equal_bytes_with_sorted_keys_and_no_white_space() -> None:
    data = manifests.encode(a_manifest())

    assert manifests.decode(data) == a_manifest()
    keys = list(msgspec.json.decode(data))
    assert keys == sorted(keys)
    assert b": " not in data
    assert b"\n" not in data


def test_ten_thousand_small_files_fit() -> None:
    named = tuple(a_file(f"{number:05d}{'x' * 80}.bin", role=Role.ASSET) for number in range(10_000))

    data = manifests.encode(a_manifest(files=named))

    assert len(data) <= manifests.MAX_MANIFEST_BYTES
    assert manifests.decode(data).files == named


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": 1}, "format"),
        ({"model": "Défauts"}, "model"),
        ({"model": "../defects"}, "model"),
        ({"version": 0}, "version"),
        ({"counter": 2**60}, "counter"),
        ({"target": "cpu/fp32"}, "target"),
        ({"target": ".."}, "target"),
        ({"lineage_sha256": "0" * 63}, "lineage_sha256"),
        ({"lineage_sha256": "0" * 64 + "\n"}, "lineage_sha256"),
        ({"runtime": Runtime(name="onnxruntime", minimum="9" * 5000, below="2")}, "runtime.minimum"),
        ({"tolerance": Tolerance(rtol=-0.1, atol=0.0, min_argmax_agreement=1.0)}, "tolerance.rtol"),
        ({"tolerance": Tolerance(rtol=0.1, atol=0.0, min_argmax_agreement=1.5)}, "tolerance.min_argmax_agreement"),
        ({"budgets": Budgets(latency_p95_ms=float("nan"), memory_bytes=1)}, "budgets.latency_p95_ms"),
        ({"dependencies": (Dependency(model="defects", minimum_counter=1),)}, "dependencies"),
        ({"dependencies": (Dependency(model="other", minimum_counter=1),) * 2}, "dependencies"),
        ({"dependencies": (Dependency(model="other", minimum_counter=0),)}, "dependencies[0].minimum_counter"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_hostile_and_the_error_names_the_field(
    changes: dict[str, Any], field: str
) -> None:
    data = manifests.encode(a_manifest(**changes))

    with pytest.raises(HostileInput) as caught:
        manifests.decode(data)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("files", "field"),
    [
        (("a/b",), "files[0].name"),
        (("..",), "files[0].name"),
        ((".hidden",), "files[0].name"),
        (("",), "files[0].name"),
        (("model.onnx", "model.onnx"), "files.name"),
        (("model.onnx", "Model.onnx"), "files.name"),
        (("manifest.json",), "files.name"),
        (("committed",), "files.name"),
        (("Committed",), "files.name"),
    ],
)
def test_files_must_lie_beside_each_other_in_one_folder_on_any_file_system(files: tuple[str, ...], field: str) -> None:
    named = tuple(a_file(name, role=Role.ASSET) for name in files)

    with pytest.raises(HostileInput) as caught:
        manifests.decode(manifests.encode(a_manifest(files=named)))

    assert caught.value.field == field


@pytest.mark.parametrize("size_bytes", [-1, MAX_BLOB_BYTES + 1])
def test_the_size_of_a_file_is_bounded(size_bytes: int) -> None:
    data = manifests.encode(a_manifest(files=(a_file("model.onnx", size_bytes=size_bytes),)))

    with pytest.raises(HostileInput):
        manifests.decode(data)


def test_the_size_of_a_package_is_bounded() -> None:
    files = tuple(a_file(f"{n}.bin", role=Role.ASSET, size_bytes=MAX_BLOB_BYTES) for n in range(3))

    with pytest.raises(HostileInput) as caught:
        manifests.decode(manifests.encode(a_manifest(files=files)))

    assert caught.value.field == "files.size_bytes"


def test_there_are_many_assets_but_only_one_file_of_any_other_role() -> None:
    assets = tuple(a_file(f"asset{number}", role=Role.ASSET) for number in range(3))
    labels = tuple(a_file(f"labels{number}", role=Role.LABELS) for number in range(2))

    assert manifests.decode(manifests.encode(a_manifest(files=assets))).files == assets
    with pytest.raises(HostileInput):
        manifests.decode(manifests.encode(a_manifest(files=labels)))


@pytest.mark.parametrize("shape", [(None, 2**29), (2**20, 2**20), (-1,), (2**70,), (1,) * 33])
def test_a_row_fits_into_memory(shape: tuple[int | None, ...]) -> None:
    contract = Contract(inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=shape),), outputs=())

    with pytest.raises(HostileInput):
        manifests.decode(manifests.encode(a_manifest(contract=contract)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\n",
        lambda data: data.replace(b'"counter":3', b'"counter": 3'),
        lambda data: data.replace(b'"counter":3', b'"counter":3,"counter":3'),
        lambda data: data.replace(b'"counter":3', b'"counter":3.0'),
        lambda data: data.replace(b'"defects"', b'"\\u0064efects"'),
        lambda data: data.replace(b'"counter":3', b'"counter":3,"extra":1'),
        lambda data: data.replace(b'"dependencies":[],', b""),
        lambda data: data[:-1],
        lambda data: b"\xff" + data,
        lambda data: b"[" * 100_000,
        lambda data: b" " * (manifests.MAX_MANIFEST_BYTES + 1),
        lambda data: b"",
    ],
)
def test_any_other_bytes_are_no_manifest(spoil: Callable[[bytes], bytes]) -> None:
    data = spoil(manifests.encode(a_manifest()))

    with pytest.raises(HostileInput):
        manifests.decode(data)


def a_file(name: str, role: Role = Role.MODEL, size_bytes: int = 7) -> File:
    return File(name=name, role=role, sha256="a" * 64, size_bytes=size_bytes)


def a_manifest(**changes: Any) -> Manifest:
    facts: dict[str, Any] = {
        "model": "defects",
        "version": 2,
        "counter": 3,
        "target": "cpu-int8",
        "hardware": ("x86_64",),
        "runtime": Runtime(name="onnxruntime", minimum="1.20", below="2"),
        "files": (a_file("model.onnx"),),
        "contract": Contract(inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 4)),), outputs=()),
        "budgets": Budgets(latency_p95_ms=50.0, memory_bytes=1024),
        "tolerance": Tolerance(rtol=1e-4, atol=1e-5, min_argmax_agreement=0.998),
        "recipe": ("clean",),
        "lineage_sha256": "b" * 64,
    }
    return Manifest(**{**facts, **changes})
