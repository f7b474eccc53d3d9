"""What goes into a bundle, for whom, and what is refused; that devices take it, tests/agent/test_bundle.py says."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import CarryDraft, ReleaseState
from edgewright.contract.api import Role as UserRole
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.manifest import File, Role
from edgewright.hub.govern import Principal
from edgewright.hub.govern.model import Forbidden
from edgewright.hub.rollout import Carried, NoDeviceFits, ReleaseNotReady

OPERATOR = Principal(name="olga", roles=(UserRole.OPERATOR,))


@pytest.fixture
def carried(world):
    return Carried(world.db, world.audit, world.clock, world.fleet, world.shelf, world.shelf)


def draft(*releases: str, **facts) -> CarryDraft:
    return CarryDraft(releases=releases, **facts)


def test_each_device_gets_an_order_for_what_fits_it(world, carried):
    lanes, others = world.enrol(2), world.enrol(1, arch="aarch64")
    release = world.shelf.put("digits", 1)

    record = carried.export(OPERATOR, draft(release, devices=(*lanes, *others)), dry_run=True)

    assert sorted(record.orders) == sorted(lanes)
    assert list(record.skipped) == others
    assert "aarch64" in record.skipped[others[0]]


def test_what_a_base_holds_is_left_out_and_deltas_take_its_place(world, carried):
    world.group()
    world.enrol(1)
    same = File(name="golden.safetensors", role=Role.GOLDEN, sha256="e" * 64, size_bytes=5)
    new = File(name="labels.txt", role=Role.LABELS, sha256="f" * 64, size_bytes=7)
    first, second = (made(world, counter) for counter in (1, 2))
    base = world.shelf.put("digits", 1, cpu=msgspec.structs.replace(first, files=(*first.files, same)))
    wanted = msgspec.structs.replace(second, files=(*second.files, same, new))
    release = world.shelf.put("digits", 2, cpu=wanted)
    world.shelf.delta_to = lambda sha256: type(world.shelf).delta_to(_Only(world.shelf, second), sha256)

    record = carried.export(OPERATOR, draft(release, group="lanes", bases=(base,)), dry_run=True)

    manifest = world.shelf.package("digits", 2)
    assert {blob.sha256 for blob in record.blobs} == {"cd" * 32, new.sha256, manifest}
    assert world.shelf.planned[-1][1] == frozenset({world.shelf.package("digits", 1)})


def made(world, counter: int):
    """The manifest of a release as the shelf makes it."""
    world.shelf.put("digits", counter)
    return world.shelf.manifest(world.shelf.package("digits", counter))


class _Only:
    """A shelf on which every package has the files of one manifest."""

    def __init__(self, shelf, content) -> None:
        self.manifests = dict.fromkeys(shelf.manifests, content)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"devices": ("d-unknown",)}, NotFound),
        ({}, NoDeviceFits),
        ({"group": "lanes", "target": "gpu"}, NoDeviceFits),
        ({"group": "lanes", "ttl_s": 32 * 86_400.0}, InvalidInput),
        ({"group": "lanes", "ttl_s": 0.0}, InvalidInput),
    ],
)
def test_a_bundle_for_nobody_or_for_ever_is_refused(world, carried, facts, error):
    world.group()
    world.enrol(1)
    release = world.shelf.put("digits", 1)

    with pytest.raises(error):
        carried.export(OPERATOR, draft(release, **facts), dry_run=True)


def test_only_what_could_be_rolled_out_may_be_carried_and_only_by_whom(world, carried):
    world.group()
    world.enrol(1)
    unsigned, ready = world.shelf.put("digits", 1, ReleaseState.DRAFT), world.shelf.put("digits", 2)

    with pytest.raises(ReleaseNotReady):
        carried.export(OPERATOR, draft(unsigned, group="lanes"), dry_run=True)
    with pytest.raises(Forbidden):
        carried.export(Principal(name="eve", roles=(UserRole.ENGINEER,)), draft(ready, group="lanes"), dry_run=True)
