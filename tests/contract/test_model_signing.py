"""OpenSSF Model Signing bundles: what we sign, the reference implementation verifies, and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from in_toto_attestation.v1.statement import Statement as TheirStatement
from securesystemslib.signer import CryptoSigner

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.model_signing import check_content, content_statement, public_pem, sign_content
from edgewright.contract.tensors import Contract


@dataclass(frozen=True)
class Signed:
    """A package on disk with its bundle."""

    folder: Path
    manifest: bytes
    signer: CryptoSigner
    bundle: bytes

    def verify_elsewhere(self) -> subprocess.CompletedProcess[str]:
        """`model_signing verify key`, in a process of its own: it would set up this one's logging."""
        signature, key = self.folder.parent / "model.sig", self.folder.parent / "model-signing.pem"
        signature.write_bytes(self.bundle)
        key.write_bytes(public_pem(self.signer.public_key))
        tool = str(Path(sys.executable).with_name("model_signing"))
        words = [tool, "verify", "key", str(self.folder), "--signature", str(signature), "--public_key", str(key)]
        return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    folder = tmp_path / "package"
    folder.mkdir()
    files = []
    for name, role, data in (
        ("model.onnx", Role.MODEL, b"weights" * 1000),
        ("labels.txt", Role.LABELS, b"good\nbad\n"),
    ):
        (folder / name).write_bytes(data)
        files.append(File(name=name, role=role, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)))
    manifest = a_manifest(tuple(files))
    (folder / "manifest.json").write_bytes(manifest)
    signer = CryptoSigner(ec.generate_private_key(ec.SECP256R1()))
    return Signed(folder, manifest, signer, sign_content(signer, manifest))


def test_the_reference_implementation_verifies_our_bundle(signed: Signed) -> None:
    ended = signed.verify_elsewhere()

    assert ended.returncode == 0, ended.stderr
    check_content(signed.bundle, signed.manifest, signed.signer.public_key)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "labels.txt").write_bytes(b"bad\ngood\n"),
        pytest.param(lambda folder: (folder / "manifest.json").write_bytes(b"{}"), marks=pytest.mark.e2e),
        pytest.param(lambda folder: (folder / "labels.txt").unlink(), marks=pytest.mark.e2e),
        pytest.param(lambda folder: (folder / "more.txt").write_bytes(b""), marks=pytest.mark.e2e),
    ],
    ids=["another label", "another manifest", "a file less", "a file more"],
)
def test_the_reference_implementation_refuses_a_package_that_was_changed(
    signed: Signed, spoil: Callable[[Path], object]
) -> None:
    spoil(signed.folder)

    ended = signed.verify_elsewhere()

    assert ended.returncode == 1
    assert "Verification failed" in ended.stderr


def test_what_is_signed_is_an_in_toto_statement_over_all_digests_in_the_order_of_the_names(signed: Signed) -> None:
    statement = msgspec.json.decode(content_statement(signed.manifest))

    TheirStatement.copy_from_pb(_protobuf(content_statement(signed.manifest))).validate()
    named = [file["name"] for file in statement["predicate"]["resources"]]
    assert named == ["labels.txt", "manifest.json", "model.onnx"]
    together = b"".join(bytes.fromhex(file["digest"]) for file in statement["predicate"]["resources"])
    assert statement["subject"][0]["digest"]["sha256"] == hashlib.sha256(together).hexdigest()


def test_a_bundle_of_another_key_is_refused(signed: Signed) -> None:
    other = CryptoSigner(ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(HostileInput):
        check_content(signed.bundle, signed.manifest, other.public_key)


def test_a_bundle_over_another_package_is_refused(signed: Signed) -> None:
    with pytest.raises(HostileInput):
        check_content(signed.bundle, a_manifest(()), signed.signer.public_key)


def test_a_bundle_whose_signature_does_not_hold_is_refused(signed: Signed) -> None:
    tree = msgspec.json.decode(signed.bundle)
    other = sign_content(signed.signer, a_manifest(()))
    tree["dsseEnvelope"]["signatures"] = msgspec.json.decode(other)["dsseEnvelope"]["signatures"]

    with pytest.raises(HostileInput):
        check_content(msgspec.json.encode(tree), signed.manifest, signed.signer.public_key)


@pytest.mark.parametrize("bundle", [b"", b"{}", b"[" * 100_000, b"\xff", b" " * (16 * 1024**2 + 1)])
def test_bytes_that_are_no_bundle_are_hostile(signed: Signed, bundle: bytes) -> None:
    with pytest.raises(HostileInput):
        check_content(bundle, signed.manifest, signed.signer.public_key)


@pytest.mark.parametrize("key", [Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())])
def test_only_a_p256_key_signs(signed: Signed, key: Ed25519PrivateKey) -> None:
    with pytest.raises(InvalidInput):
        sign_content(CryptoSigner(key), signed.manifest)


def a_manifest(files: tuple[File, ...]) -> bytes:
    manifest = Manifest(
        model="defects",
        version=2,
        counter=3,
        target="cpu-int8",
        hardware=("x86_64",),
        runtime=Runtime(name="onnxruntime", minimum="1.20", below="2"),
        files=files,
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=50.0, memory_bytes=1024),
        tolerance=Tolerance(rtol=1e-4, atol=1e-5, min_argmax_agreement=0.998),
        recipe=("clean",),
        lineage_sha256="b" * 64,
    )
    return manifests.encode(manifest)


def _protobuf(statement: bytes):
    from google.protobuf import json_format
    from in_toto_attestation.v1 import statement_pb2

    return json_format.Parse(statement, statement_pb2.Statement())
