"""Deltas: made between like files, kept if they pay, and chosen by what a device holds."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.order import FetchKind


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


def test_a_new_device_gets_every_file_in_full(house, pair):
    fetches = plan(house, pair[1], set())

    assert [fetch.kind for fetch in fetches] == [FetchKind.FULL] * 3
    assert [fetch.size_bytes for fetch in fetches] == [file.size_bytes for file in pair[1].files]


def test_what_a_device_holds_is_not_sent_again(house, pair):
    fetches = plan(house, pair[1], {file.sha256 for file in pair[0].files})

    assert [fetch.result_sha256 for fetch in fetches] == [file.sha256 for file in pair[1].files[:2]]


def test_a_device_gets_the_delta_on_the_model_that_it_holds(house, pair):
    held = {file.sha256 for file in pair[0].files}
    house.packaging.ensure_deltas(held, pair[1])

    fetches = plan(house, pair[1], held)

    model = fetches[0]
    assert model.kind is FetchKind.DELTA
    assert model.base_sha256 == pair[0].files[0].sha256
    assert model.result_sha256 == pair[1].files[0].sha256
    assert model.size_bytes == house.blobs.size(model.sha256) < 0.9 * pair[1].files[0].size_bytes
    assert plan(house, pair[1], {"0" * 64})[0].kind is FetchKind.FULL


def test_only_like_files_are_paired_and_each_pair_is_tried_once(house, pair):
    held = {file.sha256 for file in pair[0].files} | {"0" * 64}

    first = house.packaging.ensure_deltas(held, pair[1])
    again = house.packaging.ensure_deltas(held, pair[1])

    assert first == again
    assert {(row.base_sha256, row.result_sha256) for row in first} == {
        (old.sha256, new.sha256) for old, new in zip(pair[0].files[:2], pair[1].files[:2], strict=True)
    }


def test_a_delta_that_saves_nothing_is_remembered_and_not_served(house, pair):
    golden = pair[1].files[1]
    rows = house.packaging.ensure_deltas({file.sha256 for file in pair[0].files}, pair[1])

    useless = [row for row in rows if row.result_sha256 == golden.sha256]

    assert [row.sha256 for row in useless] == [""]
    assert plan(house, pair[1], {pair[0].files[1].sha256})[1].kind is FetchKind.FULL


def test_a_base_that_cannot_be_read_costs_nothing_but_the_delta(house, pair):
    base = pair[0].files[0].sha256
    house.blobs.path(base).write_bytes(np.random.default_rng(0).bytes(100))

    (row,) = house.packaging.ensure_deltas({base}, pair[1])

    assert row.sha256 == "" or row.size_bytes < pair[1].files[0].size_bytes
