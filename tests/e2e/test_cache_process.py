"""A site's cache as a process of its own: devices install over it, and the hub sends each blob there once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from scenes.desk import Desk, until
from scenes.publishing import publish, register

pytestmark = pytest.mark.e2e


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        yield desk
    finally:
        desk.close()


def test_a_site_s_devices_install_from_its_cache(desk, tmp_path):
    release = publish(desk, register(desk, "digits"))
    cache_claim, *claims = desk.done("device", "claim", "--count", "3")["tokens"]
    words = ["cache", "--dir", str(tmp_path / "cache"), "--hub", desk.url, "--claim", cache_claim, "--name", "cache"]
    command = [sys.executable, "-m", "edgewright.agent", *words, "--host", "127.0.0.1", "--port", "0"]
    cache = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = cache.stdout.readline().split()[-1]
    for number, claim in enumerate(claims):
        desk.agent(f"lane-{number}", claim, "--cache", address)
    until(lambda: len(desk.done("device", "ls")) == 3, "cache and devices are enrolled")
    lanes = [
        word for device in desk.done("device", "ls") if device["name"] != "cache" for word in ("--device", device["id"])
    ]
    desk.done("group", "create", "lanes", *lanes)
    [package] = desk.done("release", "show", release)["packages"]

    rollout = desk.done("rollout", "start", release, "--group", "lanes", "--waves", "2", "--shadow-requests", "0")
    watched = desk.run("rollout", "watch", rollout["id"])

    cache.terminate()
    assert cache.wait(20) == 0
    assert watched.code == 0, watched.err
    kept = list((tmp_path / "cache" / "cache").iterdir())
    assert sum(path.stat().st_size for path in kept) == package["size_bytes"]
