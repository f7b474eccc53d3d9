"""The doors to the devices that get nothing, page by page."""

from __future__ import annotations

import pytest
from litestar.testing import TestClient

from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD, USER

PLAN = {"release": "defects/9", "group": "lanes", "waves": [1]}


@pytest.fixture(scope="module")
def web(full_hub):
    with TestClient(build_app(full_hub)) as web:
        web.headers["Authorization"] = f"Bearer {full_hub.people.login(USER, PASSWORD).token}"
        yield web


def test_every_device_that_a_release_does_not_fit_comes_with_the_pages(web):
    devices, after = [], ""
    while True:
        asked = {"limit": 3, "after": after}
        page = web.get("/api/v1/releases/defects/3/misfits", params=asked).json()
        devices += [(one["device"], one["reason"]) for one in page["misfits"]]
        if not (after := page["after"]):
            break

    fit = web.get("/api/v1/releases/defects/3/fit").json()
    assert len(devices) == fit["devices"] - fit["fitting"] == 8
    assert set(devices) == {(f"d-{number:08}", fit["misfits"][0]["reason"]) for number in range(1, 9)}


def test_a_release_that_is_not_there_is_named(web):
    replies = [web.get("/api/v1/releases/defects/9/misfits"), web.post("/api/v1/rollouts/plan/misfits", json=PLAN)]

    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in replies] == [(404, "unknown_release")] * 2


def test_a_stranger_is_not_told(full_hub):
    with TestClient(build_app(full_hub)) as stranger:
        replies = [
            stranger.get("/api/v1/releases/defects/3/misfits"),
            stranger.post("/api/v1/rollouts/plan/misfits", json=PLAN),
        ]

    assert [reply.status_code for reply in replies] == [401, 401]
