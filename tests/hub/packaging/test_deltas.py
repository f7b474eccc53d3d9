"""Deltas: made between like files, kept if they pay, and chosen by what a device holds."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract import manifest as manifests


@pytest.fixture
def pair(house):
    """The fp32 packages of two releases of one model."""
    manifests = []
    for number in (1, 2):
        house.add_version(number, targets=("cpu-fp32",))
        manifests.append(house.packaging.manifest(house.build(number).packages[0].manifest_sha256))
    return manifests


def plan(house, manifest, held):
    with house.db.read() as connection:
        return house.packaging.plan(connection, manifest, held)


def digest_of(manifest):
    return manifests.digest(manifests.encode(manifest))


def test_a_new_device_gets_every_file_in_full(house, pair):
    house.packaging.ensure_deltas({digest_of(pair[0])}, pair[1])

    assert plan(house, pair[1], set()) == ()


def test_a_device_that_holds_the_package_needs_no_delta(house, pair):
    house.packaging.ensure_deltas({digest_of(pair[0])}, pair[1])

    assert plan(house, pair[1], {digest_of(pair[0]), digest_of(pair[1])}) == ()


def test_a_device_gets_the_delta_on_the_model_that_it_holds(house, pair):
    held = {digest_of(pair[0])}
    house.packaging.ensure_deltas(held, pair[1])

    (model,) = plan(house, pair[1], held)

    assert model.base_sha256 == pair[0].files[0].sha256
    assert model.result_sha256 == pair[1].files[0].sha256
    assert model.result_bytes == pair[1].files[0].size_bytes
    assert model.size_bytes == house.blobs.size(model.sha256) < 0.9 * pair[1].files[0].size_bytes
    assert plan(house, pair[1], {"0" * 64}) == ()


def test_only_like_files_are_paired_and_each_pair_is_tried_once(house, pair):
    held = {digest_of(pair[0]), "0" * 64}

    first = house.packaging.ensure_deltas(held, pair[1])
    again = house.packaging.ensure_deltas(held, pair[1])

    assert first == again
    assert {(row.base_sha256, row.result_sha256) for row in first} == {
        (old.sha256, new.sha256) for old, new in zip(pair[0].files[:2], pair[1].files[:2], strict=True)
    }


def test_a_delta_that_saves_nothing_is_remembered_and_not_served(house, pair):
    golden = pair[1].files[1]
    rows = house.packaging.ensure_deltas({digest_of(pair[0])}, pair[1])

    useless = [row for row in rows if row.result_sha256 == golden.sha256]

    assert [row.sha256 for row in useless] == [""]
    assert golden.sha256 not in [fetch.result_sha256 for fetch in plan(house, pair[1], {digest_of(pair[0])})]


def test_a_base_that_cannot_be_read_costs_nothing_but_the_delta(house, pair):
    base = pair[0].files[0].sha256
    house.blobs.path(base).write_bytes(np.random.default_rng(0).bytes(100))

    row, _golden = house.packaging.ensure_deltas({digest_of(pair[0])}, pair[1])

    assert row.sha256 == "" or row.size_bytes < pair[1].files[0].size_bytes
