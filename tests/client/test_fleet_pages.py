"""Devices page by page: none twice, none left out, and no page more than need be."""

from __future__ import annotations

import pytest

from edgewright.contract.api import DeviceRecord, DeviceState


def devices(*numbers: int) -> list[DeviceRecord]:
    return [
        DeviceRecord(
            id=f"dev-{number}",
            name="lane",
            labels={},
            arch="x86_64",
            cores=1,
            ram_bytes=1,
            runtimes={},
            agent_version="1",
            enrolled_at=0.0,
            last_seen_at=None,
            is_revoked=False,
        )
        for number in numbers
    ]


def test_pages_are_asked_for_until_one_is_not_full(client, answers):
    answers.say("GET", "/api/v1/devices", devices(1, 2), devices(3, 4), devices(5))

    found = client.devices.list(group="lanes", state=DeviceState.ACTIVE, page=2)

    assert [one.id for one in found] == [f"dev-{number}" for number in range(1, 6)]
    assert [path.partition("?")[2] for _, path, _ in answers.asked] == [
        "limit=2&group=lanes&state=active",
        "limit=2&group=lanes&state=active&after=dev-2",
        "limit=2&group=lanes&state=active&after=dev-4",
    ]


def test_who_wants_a_few_asks_for_one_page(client, answers):
    answers.say("GET", "/api/v1/devices", devices(1, 2))

    assert next(client.devices.each(page=2)).id == "dev-1"

    assert len(answers.asked) == 1


@pytest.mark.parametrize("count", [0, 2])
def test_a_full_last_page_is_followed_by_an_empty_one(client, answers, count):
    answers.say("GET", "/api/v1/devices", devices(*range(count)), [])

    assert len(client.devices.list(page=2)) == count
