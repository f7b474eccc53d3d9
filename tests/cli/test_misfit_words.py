"""Devices that get nothing, as the terminal lists them: each with its reason, and how to go on."""

from __future__ import annotations

import json

import pytest

from edgewright.cli.verbs.rollout_plan import has_more, show_misfits
from edgewright.contract.api import Misfit, MisfitGroup, MisfitPage

REASON = "cpu: needs x86_64, the device is aarch64"
PAGE = MisfitPage(
    misfits=tuple(Misfit(device=f"dev-{number:016x}", name=f"lane-{number}", reason=REASON) for number in range(3)),
    after="dev-0000000000000002",
)


def test_every_device_of_a_page_stands_there_with_its_reason_and_how_to_go_on(capsys):
    show_misfits(PAGE, "edgewright release fit digits/4", as_json=False)

    seen = capsys.readouterr()
    assert all(one.device in seen.out and one.name in seen.out for one in PAGE.misfits)
    assert "aarch64" in seen.out
    assert "edgewright release fit digits/4 --misfits --after dev-0000000000000002" in seen.out + seen.err


def test_a_page_is_json_where_it_is_asked_for(capsys):
    show_misfits(PAGE, "edgewright release fit digits/4", as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert (len(found["misfits"]), found["after"]) == (3, PAGE.after)


@pytest.mark.parametrize(("count", "more"), [(1, False), (2, True)])
def test_a_reason_that_holds_for_more_devices_than_the_table_shows_is_told_of(count, more):
    assert has_more([MisfitGroup(reason=REASON, count=count, devices=("dev-1",))]) is more
