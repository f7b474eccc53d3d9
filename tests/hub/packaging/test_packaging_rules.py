"""Packaging's pure rules, by rows."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract import manifest as manifests
from edgewright.contract.api import Precision
from edgewright.contract.manifest import Integer, Quantisation, Role, Scheme
from edgewright.hub.optimize.targets import target as find_target
from edgewright.hub.packaging.manifests import budgets, build_manifest, lineage_sha256
from edgewright.hub.packaging.model import Signing, counting_approvals, is_ready, release_digest
from edgewright.hub.packaging.tolerances import TOLERANCES, tolerance

SIGNED = Signing(role="release-digits", keyids=frozenset({"a"}), threshold=1)
HALF = Signing(role="targets", keyids=frozenset({"a"}), threshold=2)


@pytest.mark.parametrize(
    ("signings", "approvals", "needed", "ready"),
    [
        ([SIGNED], 1, 1, True),
        ([SIGNED], 0, 0, True),
        ([SIGNED], 0, 1, False),
        ([SIGNED, HALF], 1, 1, False),
        ([], 1, 1, False),
    ],
)
def test_a_release_is_ready_when_all_of_it_is_signed_and_enough_people_approved(signings, approvals, needed, ready):
    assert is_ready(signings, approvals, needed) is ready


def test_only_approvals_of_others_bound_to_this_digest_count():
    approvals = [("bob", "now"), ("bob", "now"), ("eve", "before"), ("ada", "now")]

    assert counting_approvals(approvals, "now", author="ada") == ("bob",)


def test_the_digest_depends_on_every_part_of_a_release():
    digest = release_digest("m", 1, 1, {"a": "x", "b": "y"})

    assert digest == release_digest("m", 1, 1, {"b": "y", "a": "x"})
    others = [("n", 1, 1, {"a": "x", "b": "y"}), ("m", 2, 1, {"a": "x", "b": "y"}), ("m", 1, 1, {"a": "x"})]
    assert all(release_digest(*other) != digest for other in others)


def test_a_manifest_names_files_budgets_and_lineage(house):
    version = house.add_version(1)
    variant = house.variant(version, "cpu-int8")
    target = find_target("cpu-int8")

    manifest = build_manifest(version, variant, target, 3, house.blobs.size)

    assert manifests.decode(manifests.encode(manifest)) == manifest
    assert manifest.file(Role.MODEL).sha256 == variant.sha256
    assert manifest.hardware == target.arch
    assert manifest.runtime == target.runtime
    assert manifest.lineage_sha256 == lineage_sha256(version)
    assert manifest.tolerance == TOLERANCES[Precision.INT8]


def test_a_version_without_a_reference_profile_makes_a_package_without_one(house):
    version = msgspec.structs.replace(house.add_version(1), reference_sha256="")
    variant, target = house.variant(version, "cpu-fp32"), find_target("cpu-fp32")

    manifest = build_manifest(version, variant, target, 1, house.blobs.size)

    assert [file.role for file in manifest.files] == [Role.MODEL, Role.GOLDEN]


@pytest.mark.parametrize(
    ("precision", "provider", "wanted"),
    [
        ("fp32", "CPUExecutionProvider", "fp32"),
        ("half", "CPUExecutionProvider", "half"),
        ("int8", "CPUExecutionProvider", "int8"),
        ("int8", "TensorrtExecutionProvider", "int8"),
        ("fp32", "TensorrtExecutionProvider", "half"),
    ],
)
def test_what_a_device_may_change_goes_by_the_numbers_and_by_its_runtime(house, precision, provider, wanted):
    variant = msgspec.structs.replace(house.variant(house.add_version(1), "cpu-fp32"), precision=Precision(precision))
    runtime = msgspec.structs.replace(find_target("cpu-fp32").runtime, provider=provider)

    assert tolerance(variant, runtime) == TOLERANCES[Precision(wanted)]


def test_a_variant_from_before_precisions_were_kept_goes_by_what_quantised_it(house):
    version, runtime = house.add_version(1), find_target("cpu-fp32").runtime
    before = msgspec.structs.replace(house.variant(version, "cpu-fp32"), precision=None)
    static = Quantisation(scheme=Scheme.STATIC, weights=Integer.S8, activations=Integer.U8, is_per_channel=True)
    quantised = msgspec.structs.replace(before, quantisation=static)

    assert tolerance(before, runtime) == TOLERANCES[Precision.FP32]
    assert tolerance(quantised, runtime) == TOLERANCES[Precision.INT8]


def test_budgets_leave_room_for_slower_machines(house):
    variant = house.variant(house.add_version(1), "cpu-fp32")

    assert budgets(variant).latency_p95_ms == 80.0
    assert budgets(msgspec.structs.replace(variant, latency_p95_ms=0.1)).latency_p95_ms == 50.0
    assert budgets(variant).memory_bytes == 128 * 1024**2
