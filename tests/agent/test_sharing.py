"""Neighbours: an agent shares what it holds, several caches are asked by their speed, and nobody is believed."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
from device import Device, Releases, Shelf
from elsewhere import Elsewhere
from scripted_hub import ScriptedHub
from wired import PATIENCE, Agent

from edgewright.agent.cache.held import HeldBlobs
from edgewright.agent.cache.server import CacheServer
from edgewright.agent.cache.sharing import Sharing
from edgewright.agent.disk import settings
from edgewright.agent.disk.settings import Settings
from edgewright.agent.install import Downloads
from edgewright.agent.link import NearFirst, Throttle
from edgewright.contract.errors import InvalidInput, NotFound
from scenes.desk import until

FREE = Throttle(0.0, time.monotonic, lambda _: False)


@pytest.fixture
def hub(tmp_path) -> Iterator[ScriptedHub]:
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@contextlib.contextmanager
def sharing(root, max_connections: int = 8) -> Iterator[str]:
    """A device that serves what it holds."""
    server = CacheServer("127.0.0.1", 0, HeldBlobs(root, FREE), max_connections)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def near(agent: Agent, *urls: str) -> NearFirst:
    return NearFirst(urls, agent.line, throttle=FREE, patience=PATIENCE)


def bring(source, sha256: str, size_bytes: int, folder) -> bytes:
    downloads = Downloads(folder, source, lambda: False)
    while (path := downloads.bring(sha256, size_bytes)) is None:
        pass
    return path.read_bytes()


def test_a_neighbour_gets_what_a_device_has_installed_without_the_hub(hub, tmp_path):
    hub.release(1)
    first = Agent(tmp_path / "first", hub).work()
    asked = hub.asked.count("GET blobs")

    with sharing(first.root) as url:
        source = near(Agent(tmp_path / "second", hub), url)
        for data in hub.releases.files(1).values():
            sha256 = hashlib.sha256(data).hexdigest()
            assert bring(source, sha256, len(data), tmp_path / "staging") == data

    assert hub.asked.count("GET blobs") == asked


def test_a_device_shares_files_of_its_slots_and_nothing_else(tmp_path):
    shelf = Shelf()
    device = Device(tmp_path / "device", shelf).take(Releases(shelf).install(1))
    (device.root / "device.key").write_bytes(b"secret")
    held = HeldBlobs(device.root, FREE)

    with pytest.raises(NotFound):
        held.find(hashlib.sha256(b"secret").hexdigest())
    assert held.find(hashlib.sha256(Releases(shelf).files(1)["model.onnx"]).hexdigest()) == 900


def test_the_fastest_neighbour_is_asked_first_once_all_were_measured(hub, tmp_path):
    blobs = {hashlib.sha256(bytes([n]) * 50_000).hexdigest(): bytes([n]) * 50_000 for n in range(6)}
    slow, fast = (Elsewhere({f"blobs/{sha256}": data for sha256, data in blobs.items()}) for _ in range(2))
    hub.shelf.blobs.update(blobs)
    answer = slow.answer

    def dawdle(path: str, range_: str):
        time.sleep(0.1)
        return answer(path, range_)

    slow.answer = dawdle
    source = near(Agent(tmp_path / "agent", hub), slow.url, fast.url)

    for sha256, data in blobs.items():
        assert bring(source, sha256, len(data), tmp_path / "staging") == data

    assert (len(slow.requests), len(fast.requests)) == (1, 5)
    slow.close()
    fast.close()


def test_a_bad_neighbour_is_set_aside_and_the_other_asked(hub, tmp_path):
    blobs = {hub.shelf.add(bytes([n]) * 500): bytes([n]) * 500 for n in range(3)}
    liar = Elsewhere({f"blobs/{sha256}": b"x" * 500 for sha256 in blobs})
    good = Elsewhere({f"blobs/{sha256}": data for sha256, data in blobs.items()})
    source = near(Agent(tmp_path / "agent", hub), liar.url, good.url)

    for sha256, data in blobs.items():
        assert bring(source, sha256, len(data), tmp_path / "staging") == data

    assert (len(liar.requests), len(good.requests)) == (1, 3)
    liar.close()
    good.close()


def test_one_who_never_has_anything_is_not_asked_for_every_file(hub, tmp_path):
    blobs = {hub.shelf.add(b"%d" % n): b"%d" % n for n in range(30)}
    empty = Elsewhere({})
    empty.status = 404
    source = near(Agent(tmp_path / "agent", hub), empty.url)

    for sha256, data in blobs.items():
        assert bring(source, sha256, len(data), tmp_path / "staging") == data

    assert len(empty.requests) == 8
    empty.close()


def test_whoever_says_nothing_makes_room_for_one_who_asks(tmp_path):
    shelf = Shelf()
    device = Device(tmp_path / "device", shelf).take(Releases(shelf).install(1))
    data = Releases(shelf).files(1)["model.onnx"]
    former = set(threading.enumerate())

    with sharing(device.root, max_connections=3) as url, contextlib.ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        for _ in range(10):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", f"/blobs/{hashlib.sha256(data).hexdigest()}")
        got = connection.getresponse().read()
        connection.close()
        threads = set(threading.enumerate()) - former

    assert got == data
    assert len(threads) < 20


def test_the_settings_of_the_one_cache_are_read_as_a_list_of_one(tmp_path):
    (tmp_path / settings.NAME).write_bytes(b'{"cache": "http://10.0.0.5:8765", "poll_s": 5}')

    loaded = settings.load(tmp_path)
    settings.save(tmp_path, loaded)

    assert loaded.caches == ("http://10.0.0.5:8765",)
    assert settings.load(tmp_path) == loaded
    (tmp_path / settings.NAME).write_bytes(b'{"cache": ""}')
    assert settings.load(tmp_path).caches == ()


@pytest.mark.parametrize(
    "change",
    [
        {"share": "nowhere"},
        {"daily_budget_bytes": -1},
        {"reserved_share": 0.0},
        {"reserved_share": 1.0},
        {"share_bytes_s": -1.0},
    ],
)
def test_settings_of_the_line_that_make_no_sense_are_told(change):
    with pytest.raises(InvalidInput) as refusal:
        settings.check(msgspec.structs.replace(Settings(), **change))

    assert refusal.value.field in change


@pytest.mark.e2e
def test_the_child_that_shares_lives_as_long_as_it_is_wanted(tmp_path):
    shelf = Shelf()
    device = Device(tmp_path / "device", shelf).take(Releases(shelf).install(1))
    data = Releases(shelf).files(1)["model.onnx"]
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    part = Sharing(device.root, Settings(share=f"127.0.0.1:{port}"))

    part.turn()
    got: list[bytes] = []

    def ask() -> bool:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", f"/blobs/{hashlib.sha256(data).hexdigest()}")
            got.append(connection.getresponse().read())
            connection.close()
        return bool(got)

    until(ask, "the child serves")
    part.close()

    assert got == [data]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
