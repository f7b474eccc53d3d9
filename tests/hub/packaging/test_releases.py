"""A release from build to publication: what it takes, what is refused, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from edgewright.contract.api import ReleaseDraft, ReleaseState, Role, SignatureDraft
from edgewright.contract.envelope import open_sealed
from edgewright.contract.errors import HostileInput, InvalidInput, NotFound
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.hub.govern import Principal
from edgewright.hub.govern.model import Forbidden
from edgewright.hub.packaging import NoVariants, OwnApproval, ReleaseIsBad, StaleSignature, UnknownRelease, records


def test_a_build_packages_every_variant_under_the_next_counter(house):
    house.add_version(1)
    house.add_version(2)

    first, second = house.build(1), house.build(2)

    assert (first.counter, second.counter) == (1, 2)
    assert first.state is ReleaseState.DRAFT
    assert [package.path for package in first.packages] == ["digits/1/cpu-fp32.json", "digits/1/cpu-int8.json"]
    manifest = house.packaging.manifest(first.packages[1].manifest_sha256)
    assert [file.name for file in manifest.files] == ["model.onnx", "golden.safetensors", "reference.bin"]
    assert first.packages[1].size_bytes == sum(house.blobs.size(file.sha256) for file in manifest.files)


def test_a_dry_run_builds_nothing(house):
    house.add_version(1)

    record = house.packaging.build(house.ada, ReleaseDraft(model="digits", version=1), dry_run=True)

    assert record.counter == 1
    assert house.packaging.releases() == []
    assert not house.blobs.exists(record.packages[0].manifest_sha256)
    assert house.build(1).digest == record.digest


def test_a_version_without_variants_is_refused_with_the_way_out(house):
    house.add_version(1, targets=())

    with pytest.raises(NoVariants, match="no variants") as caught:
        house.build(1)

    assert "edgewright optimize" in caught.value.hint


def test_a_release_is_published_once_it_is_signed_and_approved_in_either_order(house):
    house.add_version(1)
    house.add_version(2)
    house.build(1)
    house.build(2)

    assert house.sign(1).state is ReleaseState.DRAFT
    assert house.packaging.approve(house.bob, "digits", 1).state is ReleaseState.READY
    assert house.packaging.approve(house.bob, "digits", 2).state is ReleaseState.DRAFT
    assert house.sign(2).state is ReleaseState.READY
    ready = [subject for kind, subject in house.happened() if kind == "packaging.release_ready"]
    assert ready == ["digits/1", "digits/2"]


def test_the_first_release_of_a_model_needs_the_targets_key_too_and_later_ones_do_not(house):
    house.add_version(1)
    house.build(1)

    first = house.packaging.signing("digits", 1)
    house.packaging.approve(house.bob, "digits", 1)
    house.sign(1)
    house.build(1)
    second = house.packaging.signing("digits", 2)

    assert [payload.role for payload in first.payloads] == ["targets", "release-digits"]
    assert first.release.signatures_needed == 2
    assert [payload.role for payload in second.payloads] == ["release-digits"]


def test_one_of_two_signatures_is_not_enough(house):
    house.add_version(1)
    house.build(1)
    house.packaging.approve(house.bob, "digits", 1)
    release_only = house.packaging.signing("digits", 1).payloads[1]

    record = house.packaging.add_signatures(house.otto, "digits", 1, house.operator.sign(release_only))

    assert record.state is ReleaseState.DRAFT
    assert len(record.signatures) == 1


def test_an_author_s_own_approval_is_refused_and_kept_in_the_audit_log(house):
    house.add_version(1)
    house.build(1)

    with pytest.raises(OwnApproval, match="ada built release digits/1"):
        house.packaging.approve(house.ada, "digits", 1)

    assert house.packaging.release("digits", 1).approvals == ()
    entry = house.audit.entries()[-1]
    assert (entry.actor, entry.action, entry.subject) == ("ada", "release.approve_refused", "digits/1")
    assert house.audit.verify().is_verified


def test_a_dry_run_approves_nothing(house):
    house.add_version(1)
    house.build(1)

    house.packaging.approve(house.bob, "digits", 1, dry_run=True)

    assert house.packaging.release("digits", 1).approvals == ()


def test_roles_decide_who_may_build_sign_and_approve(house):
    house.add_version(1)
    viewer = Principal(name="eve", roles=(Role.VIEWER,))

    with pytest.raises(Forbidden):
        house.packaging.build(viewer, ReleaseDraft(model="digits", version=1))
    house.build(1)
    with pytest.raises(Forbidden):
        house.packaging.add_signatures(viewer, "digits", 1, [])
    with pytest.raises(Forbidden):
        house.packaging.approve(viewer, "digits", 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signature": "00" * 64}, "signature"),
        ({"signature": "not hexadecimal"}, "signature"),
        ({"keyid": "ab" * 32}, "signature"),
        ({"role": "root"}, "role"),
    ],
)
def test_a_signature_that_does_not_hold_is_not_kept(house, changes, field):
    house.add_version(1)
    house.build(1)
    (draft,) = house.operator.sign(house.packaging.signing("digits", 1).payloads[1])

    with pytest.raises(InvalidInput) as caught:
        house.packaging.add_signatures(house.otto, "digits", 1, [msgspec.structs.replace(draft, **changes)])

    assert caught.value.field == field
    assert house.packaging.release("digits", 1).signatures == ()


def test_a_signature_by_a_key_of_the_hub_does_not_hold(house):
    house.add_version(1)
    house.build(1)
    payload = house.packaging.signing("digits", 1).payloads[1]
    made = house.keys.snapshot.sign(payload.signed)
    draft = SignatureDraft(role=payload.role, version=payload.version, keyid=made.keyid, signature=made.signature)

    with pytest.raises(InvalidInput, match="does not hold"):
        house.packaging.add_signatures(house.otto, "digits", 1, [draft])


def test_when_another_release_is_published_first_the_later_one_is_drafted_and_signed_again(house):
    house.add_version(1)
    house.publish(1)
    house.build(1)
    house.build(1)
    request = house.packaging.signing("digits", 3)
    early = [draft for payload in request.payloads for draft in house.operator.sign(payload)]
    house.packaging.add_signatures(house.otto, "digits", 3, early)
    house.packaging.approve(house.bob, "digits", 2)
    house.sign(2)

    assert house.packaging.approve(house.bob, "digits", 3).state is ReleaseState.DRAFT
    with pytest.raises(StaleSignature):
        house.packaging.add_signatures(house.otto, "digits", 3, early)
    assert house.sign(3).state is ReleaseState.READY
    assert house.packaging.verify("digits", 2).holds
    assert house.packaging.verify("digits", 3).holds


def test_two_new_models_at_once_do_not_lose_each_other(house):
    for model in ("digits", "wine"):
        house.add_version(1, model)
        house.build(1, model)
        house.packaging.approve(house.bob, model, 1)

    house.sign(1, "digits")
    house.sign(1, "wine")

    assert house.packaging.verify("digits", 1).holds
    assert house.packaging.verify("wine", 1).holds


def test_a_publication_that_a_crash_cut_off_is_finished_by_the_next_try(house):
    house.add_version(1)
    house.build(1)
    house.sign(1)
    with house.db.read() as connection:  # the files were written, and the transaction was not committed
        house.repository.publish(records.payloads(connection, "digits", 1), datetime.fromtimestamp(house.clock(), UTC))

    record = house.packaging.approve(house.bob, "digits", 1)

    assert record.state is ReleaseState.READY
    assert house.packaging.tuf_file("2.snapshot.json")
    with pytest.raises(NotFound):
        house.packaging.tuf_file("3.snapshot.json")
    assert house.packaging.verify("digits", 1).holds


def test_a_bad_release_stays_bad(house):
    house.add_version(1)
    house.publish(1)

    for _ in range(2):
        with house.db.write() as connection:
            house.packaging.mark_bad(connection, "digits", 1, "agreement 0.12")

    record = house.packaging.release("digits", 1)
    assert (record.state, record.bad_reason) == (ReleaseState.BAD, "agreement 0.12")
    assert [kind for kind, _ in house.happened()].count("packaging.release_bad") == 1
    with pytest.raises(ReleaseIsBad):
        house.packaging.approve(house.bob, "digits", 1)
    with pytest.raises(ReleaseIsBad):
        house.packaging.signing("digits", 1)
    assert not house.packaging.verify("digits", 1).holds


def test_what_is_not_there_is_named(house):
    house.add_version(1)
    house.build(1)

    with pytest.raises(UnknownRelease, match="no release 7"):
        house.packaging.release("digits", 7)
    for name in ("../keys/director.pem", "nothing.json", ".timestamp.json.new", "timestamp"):
        with pytest.raises(NotFound):
            house.packaging.tuf_file(name)


def test_an_order_is_sealed_with_the_director_s_key(house):
    order = Order(device="d-1", nonce="n", issued_at=house.clock(), ttl_s=60.0)

    sealed = house.packaging.sign_order(order)

    director = house.keys.director.public_key
    assert msgspec.json.decode(open_sealed(sealed, PAYLOAD_TYPE, {director.keyid: director}), type=Order) == order
    timestamp = house.keys.timestamp.public_key
    with pytest.raises(HostileInput):
        open_sealed(sealed, PAYLOAD_TYPE, {timestamp.keyid: timestamp})
