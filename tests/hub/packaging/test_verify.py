"""`release verify`: it holds for an honest release, and every tampering shows on its own line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from edgewright.hub.govern import Keys
from edgewright.hub.packaging import NoRoot, Repository, table


def failed(house) -> list[str]:
    return [line.what for line in house.packaging.verify("digits", 1).checks if not line.holds]


def test_an_honest_release_holds_on_every_line(house):
    house.add_version(1)
    house.publish(1)

    report = house.packaging.verify("digits", 1)

    assert report.holds
    assert report.subject == "digits/1"
    assert len(report.checks) == 2 + 2 * 4 + 2 + 1 + 1 + 2 + 1 + 2 * 2 + 1 + 2


def test_a_draft_lacks_signatures_and_approvals(house):
    house.add_version(1)
    house.build(1)

    assert failed(house) == [
        "targets version 2 is signed",
        "release-digits version 1 is signed",
        "people other than the author approved this digest",
    ]


def test_a_changed_model_file_shows(house):
    house.add_version(1)
    manifest = house.packaging.manifest(house.publish(1).packages[0].manifest_sha256)
    house.blobs.path(manifest.files[0].sha256).write_bytes(b"poisoned")

    assert failed(house) == ["model.onnx of cpu-fp32"]


def test_a_missing_model_file_shows(house):
    house.add_version(1)
    manifest = house.packaging.manifest(house.publish(1).packages[1].manifest_sha256)
    house.blobs.path(manifest.files[0].sha256).unlink()

    assert failed(house) == ["model.onnx of cpu-int8"]


def test_a_changed_manifest_shows(house):
    house.add_version(1)
    place = house.blobs.path(house.publish(1).packages[0].manifest_sha256)
    place.write_bytes(place.read_bytes().replace(b'"version":1', b'"version":2'))

    assert failed(house) == ["manifest of cpu-fp32"]


def test_a_package_swapped_in_the_database_shows(house):
    house.add_version(1)
    release = house.publish(1)
    with house.db.write() as connection:
        connection.execute(
            sa.update(table.package)
            .where(table.package.c.target == "cpu-fp32")
            .values(manifest_sha256=release.packages[1].manifest_sha256)
        )

    assert "the digest covers these packages" in failed(house)
    assert "the release role vouches for digits/1/cpu-fp32.json" in failed(house)


def test_tampered_metadata_shows(house):
    house.add_version(1)
    house.publish(1)
    place = house.folder / "tuf" / "1.release-digits.json"
    place.write_bytes(place.read_bytes() + b" ")

    assert failed(house) == ["root → timestamp → snapshot → targets → release role"]


def test_expired_metadata_shows_until_it_is_renewed(house):
    house.add_version(1)
    house.publish(1)
    house.clock.now += 2 * 86400

    assert failed(house) == ["root → timestamp → snapshot → targets → release role"]

    assert house.packaging.renew()
    assert failed(house) == []


def test_metadata_is_renewed_only_when_half_of_its_life_is_over(house):
    assert not house.packaging.renew()

    house.clock.now += 13 * 3600
    assert house.packaging.renew()
    assert not house.packaging.renew()

    house.clock.now += 4 * 86400
    before = house.packaging.tuf_file("timestamp.json")
    assert house.packaging.renew()
    assert house.packaging.tuf_file("2.snapshot.json")
    assert house.packaging.tuf_file("timestamp.json") != before


def test_a_hub_without_a_root_of_trust_has_nothing_to_renew(house, tmp_path):
    empty = Repository(tmp_path / "empty", house.keys.timestamp, house.keys.snapshot)

    assert not empty.renew(datetime.now(UTC))
    with pytest.raises(NoRoot):
        empty.root_bytes()


def test_a_hub_with_other_online_keys_than_the_root_names_says_so(house, tmp_path):
    other = Keys(tmp_path / "other")

    with pytest.raises(NoRoot, match="does not name this hub's timestamp key"):
        Repository(house.folder / "tuf", other.timestamp, other.snapshot).renew(datetime.now(UTC))
