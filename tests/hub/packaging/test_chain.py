"""Links from data to package that are missing, forged or about something else show; so do content signatures."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner

from edgewright.contract.api import ContentSignatureDraft, ReleaseDraft
from edgewright.contract.errors import InvalidInput, NotAllowed, NotFound
from edgewright.contract.manifest import Dependency
from edgewright.contract.model_signing import sign_content
from edgewright.contract.publickey import to_public
from edgewright.hub.packaging.content.table import model_signature
from edgewright.hub.provenance import RUN_KEY
from edgewright.hub.provenance.table import attestation
from edgewright.hub.registry import UnknownModel
from edgewright.hub.registry import table as registry


@pytest.fixture
def release(house):
    house.add_version(1)
    return house.build()


@pytest.fixture
def signer():
    return CryptoSigner(ec.generate_private_key(ec.SECP256R1()))


def test_every_link_of_an_honest_release_holds(house, release):
    report = house.chain.report(release)

    assert report.holds
    assert [(one.kind, one.name) for one in report.statements] == [
        ("optimisation", "digits@1/cpu-fp32"),
        ("packaging", "digits/1/cpu-fp32.json"),
        ("optimisation", "digits@1/cpu-int8"),
        ("packaging", "digits/1/cpu-int8.json"),
    ]
    assert {one.builder for one in report.statements} == {house.provenance.builder}


def test_a_package_states_the_variant_and_the_files_that_it_was_made_of(house, release):
    statement = next(one for one in house.chain.report(release).statements if one.name == "digits/1/cpu-int8.json")

    manifest = house.packaging.manifest(statement.subject_sha256)
    names = {"model.onnx": "digits@1/cpu-int8"}
    assert statement.made_of == {names.get(file.name, file.name): file.sha256 for file in manifest.files}
    assert statement.run == "digits/1"


def test_a_missing_statement_shows(house, release):
    change(house, sa.delete(attestation).where(attestation.c.name == "digits@1/cpu-int8"))

    assert broken(house, release) == {"optimisation of digits@1/cpu-int8 from digits@1": "no statement tells of it"}
    assert not house.packaging.verify("digits", 1).holds


def test_a_statement_about_another_package_shows(house, release):
    other = sa.select(attestation.c.sha256).where(attestation.c.name == "digits/1/cpu-fp32.json").scalar_subquery()
    change(house, sa.update(attestation).where(attestation.c.name == "digits/1/cpu-int8.json").values(sha256=other))

    (what,) = broken(house, release)
    assert what == "packaging of digits/1/cpu-int8.json from digits@1/cpu-int8"


def test_a_version_whose_source_was_changed_in_the_database_shows(house, release):
    version = msgspec.structs.replace(house.registry.version("digits", 1), source_sha256="f" * 64)
    change(house, sa.update(registry.version).values(record=msgspec.to_builtins(version)))

    found = broken(house, release)

    assert found["optimisation of digits@1/cpu-int8 from digits@1"] == "it was made of another digits@1"
    assert "digits/1/cpu-int8.json names this lineage" in found


def test_a_version_that_says_it_was_trained_here_and_was_not_shows(house, release):
    version = house.registry.version("digits", 1)
    lineage = msgspec.structs.replace(version.lineage, environment={RUN_KEY: "train-1"})
    record = msgspec.to_builtins(msgspec.structs.replace(version, lineage=lineage))
    change(house, sa.update(registry.version).values(record=record))

    found = broken(house, release)

    assert found[f"training of digits@1 from data/{house.snapshot.id}"] == "no statement tells of it"


def test_a_manifest_that_is_gone_shows(house, release):
    house.blobs.path(release.packages[0].manifest_sha256).unlink()

    (what,) = broken(house, release)
    assert what == f"packaging of {release.packages[0].path}"


def test_a_signature_is_kept_checked_and_given_out(house, release, signer):
    draft = a_signature(house, release, signer)

    (record,) = house.content.add(house.otto, release, [draft, draft])

    assert house.blobs.path(record.sha256).read_bytes() == draft.signature
    assert record.key == to_public(signer.public_key)
    assert [line.holds for line in house.content.lines(release)] == [True]
    assert house.audit.entries()[-1].action == "release.sign_content"


def test_a_dry_run_keeps_no_signature(house, release, signer):
    assert house.content.add(house.otto, release, [a_signature(house, release, signer)], dry_run=True) == []
    assert house.content.of(release) == []


def test_a_signature_that_does_not_verify_is_not_kept(house, release, signer):
    good = a_signature(house, release, signer)
    other = CryptoSigner(ec.generate_private_key(ec.SECP256R1()))

    for draft in (
        msgspec.structs.replace(good, target="cpu-fp32"),
        msgspec.structs.replace(good, key=to_public(other.public_key)),
        msgspec.structs.replace(good, signature=b"{}"),
    ):
        with pytest.raises(InvalidInput):
            house.content.add(house.otto, release, [good, draft])
    with pytest.raises(NotFound):
        house.content.add(house.otto, release, [msgspec.structs.replace(good, target="toaster")])
    with pytest.raises(NotAllowed):
        house.content.add(house.ada, release, [good])

    assert house.content.of(release) == []


def test_a_signature_that_was_swapped_shows(house, release, signer):
    house.content.add(house.otto, release, [a_signature(house, release, signer)])
    change(house, sa.update(model_signature).values(sha256=house.blobs.put_bytes(b"{}")))

    assert [line.holds for line in house.content.lines(release)] == [False]
    assert not house.packaging.verify("digits", 1).holds


def test_what_a_release_needs_stands_in_every_manifest(house):
    for model in ("plates", "digits"):
        house.add_version(1, model)
    needs = (Dependency(model="plates", minimum_counter=3),)

    release = house.packaging.build(house.ada, ReleaseDraft(model="digits", version=1, needs=needs))

    assert {house.packaging.manifest(one.manifest_sha256).dependencies for one in release.packages} == {needs}


@pytest.mark.parametrize(
    ("needs", "error"),
    [
        ((Dependency(model="digits", minimum_counter=1),), InvalidInput),
        ((Dependency(model="nothing", minimum_counter=1),), UnknownModel),
    ],
)
def test_a_release_cannot_need_itself_or_what_nobody_knows(house, needs, error):
    house.add_version(1)

    with pytest.raises(error):
        house.packaging.build(house.ada, ReleaseDraft(model="digits", version=1, needs=needs))

    assert house.packaging.releases() == []


def a_signature(house, release, signer) -> ContentSignatureDraft:
    package = next(one for one in release.packages if one.target == "cpu-int8")
    data = house.blobs.path(package.manifest_sha256).read_bytes()
    return ContentSignatureDraft(
        target="cpu-int8", signature=sign_content(signer, data), key=to_public(signer.public_key)
    )


def change(house, statement) -> None:
    with house.db.write() as connection:
        connection.execute(statement)


def broken(house, release) -> dict[str, str]:
    """What does not hold, and why."""
    return {line.what: line.detail for line in house.chain.report(release).checks if not line.holds}
