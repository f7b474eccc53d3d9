"""Every device that gets nothing is listed with its reason, page by page, before anybody starts a rollout."""

from __future__ import annotations

import pytest

from edgewright.contract.api import DirectiveKind, RolloutDraft
from edgewright.hub.rollout.planning import page_misfits
from edgewright.hub.rollout.table import directive

BOARDS = 45


@pytest.fixture
def fleet(world):
    """Two devices that digits/1 fits, and more boards that it does not fit than any record names."""
    world.group()
    world.shelf.put("digits", 1)
    return world.enrol(2, site="berlin"), world.enrol(BOARDS, arch="aarch64", site="berlin")


def every_page(ask, limit):
    pages, after = [], ""
    while True:
        page = ask(after=after, limit=limit)
        pages.append(page.misfits)
        if not (after := page.after):
            return pages


def test_each_device_that_a_release_does_not_fit_is_listed_once_with_its_name_and_reason(world, fleet):
    _, boards = fleet
    planner = world.rollouts.planner

    pages = every_page(lambda **page: planner.misfits("digits", 1, "lanes", **page), limit=20)

    assert [len(page) for page in pages] == [20, 20, 5]
    found = [one for page in pages for one in page]
    assert [one.device for one in found] == sorted(boards)
    assert {(one.name, one.reason) for one in found} == {("lane", "cpu: needs x86_64, the device is aarch64")}
    assert planner.misfits("digits", 1) == planner.misfits("digits", 1, "lanes")


def test_each_device_that_a_rollout_would_leave_out_is_listed_for_whatever_reason(world, fleet):
    (held, _), boards = fleet
    with world.db.write() as connection:
        row = {"device": held, "model": "digits", "kind": DirectiveKind.HOLD, "counter": 0}
        connection.execute(directive.insert().values(**row, reason="under test", by="olga", at=world.clock.now))
    draft = RolloutDraft(release="digits/1", group="lanes", waves=(1, 8))

    pages = every_page(lambda **page: world.rollouts.planner.left_out(draft, **page), limit=23)

    reasons = {one.device: one.reason for page in pages for one in page}
    assert set(reasons) == {held, *boards}
    assert "under test" in reasons[held]
    assert sum(group.count for group in world.rollouts.planner.forecast(draft).misfits) == len(reasons)
    assert world.rollouts.rollouts() == []


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (-5, 1), (1000, 1000), (10**9, 1000)])
def test_a_page_has_a_thousand_devices_at_most(limit, count):
    refused = {f"dev-{number:04}": "no package fits" for number in range(1500)}

    page = page_misfits(refused, dict.fromkeys(refused, "lane"), "", limit)

    assert (len(page.misfits), page.after) == (count, page.misfits[-1].device)
