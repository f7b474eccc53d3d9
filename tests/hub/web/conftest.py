"""The hub's web side as a program or a browser reaches it, on real hubs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD, USER, empty_hub, filled_hub


@pytest.fixture
def hub(tmp_path):
    hub = empty_hub(tmp_path)
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def full_hub(tmp_path_factory):
    hub = filled_hub(tmp_path_factory.mktemp("filled"))
    yield hub
    hub.db.close()


@pytest.fixture
def stranger(hub) -> Iterator[TestClient]:
    """A browser that nobody has logged in with."""
    with TestClient(build_app(hub)) as client:
        yield client


@pytest.fixture
def browser(stranger) -> TestClient:
    """A browser with which ana has logged in."""
    stranger.post("/login", data={"user": USER, "password": PASSWORD}, follow_redirects=False)
    return stranger


@pytest.fixture(scope="module")
def full_browser(full_hub) -> Iterator[TestClient]:
    with TestClient(build_app(full_hub)) as client:
        client.post("/login", data={"user": USER, "password": PASSWORD}, follow_redirects=False)
        yield client
