"""A site's cache between a real hub and the real agent's way to blobs: useful, and trusted for nothing."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from elsewhere import Elsewhere

from edgewright.agent.cache.server import CacheServer
from edgewright.agent.cache.shelf import Shelf, TooLarge
from edgewright.agent.install import Downloads
from edgewright.agent.link import NearFirst, Throttle
from edgewright.contract.errors import NotFound, UsageError
from scenes.desk import until
from scenes.lines import PATIENCE, line
from scenes.served import ServedHub

DATA = bytes(range(256)) * 20_000


class Counted:
    """The cache's own line, with a tally of what it was asked for."""

    def __init__(self, line) -> None:
        self._line = line
        self.asked: list[str] = []

    def body(self, sha256: str, offset: int):
        self.asked.append(sha256)
        return self._line.body(sha256, offset)

    def size_bytes(self, sha256: str) -> int:
        return self._line.size_bytes(sha256)

    def disown(self, sha256: str) -> bool:
        return self._line.disown(sha256)


class Site:
    """A hub, and a cache that is a device of it."""

    def __init__(self, folder, served: ServedHub) -> None:
        self.served = served
        device, key = self.served.enrol("cache")
        self.origin = Counted(line(self.served.url, key, device))
        self.shelf = Shelf(folder / "cache", 20_000_000, self.origin)
        self.server = CacheServer("127.0.0.1", 0, self.shelf)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def source(self, url: str = "") -> NearFirst:
        """A device's way to blobs: the cache first."""
        device, key = self.served.enrol("lane")
        hub = line(self.served.url, key, device)
        throttle = Throttle(0.0, PATIENCE.monotonic, lambda _: False)
        return NearFirst([url or self.url], hub, throttle=throttle, patience=PATIENCE)

    def put(self, data: bytes) -> str:
        return self.served.hub.blobs.put_bytes(data)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[ServedHub]:
    served = ServedHub(tmp_path_factory.mktemp("hub"))
    yield served
    served.close()


@pytest.fixture
def site(tmp_path, served) -> Iterator[Site]:
    site = Site(tmp_path, served)
    yield site
    site.close()


def bring(source, sha256: str, size_bytes: int, folder) -> bytes:
    downloads = Downloads(folder, source, lambda: False)
    while (path := downloads.bring(sha256, size_bytes)) is None:
        pass
    return path.read_bytes()


def shelved(folder, sha256: str):
    """Where the cache keeps a blob; the last device may be served a moment before it lies there whole."""
    path = folder / "cache" / sha256
    until(path.exists, "the blob is on the shelf")
    return path


def test_the_second_device_gets_its_bytes_without_the_hub(site, tmp_path):
    sha256 = site.put(DATA)
    first, second = site.source(), site.source()

    one = bring(first, sha256, len(DATA), tmp_path / "one")
    two = bring(second, sha256, len(DATA), tmp_path / "two")

    assert one == two == DATA
    assert site.origin.asked == [sha256]


def test_devices_that_ask_at_the_same_time_read_along_one_download(site, tmp_path):
    sha256 = site.put(DATA)
    got: dict[int, bytes] = {}
    sources = [site.source() for _ in range(4)]

    def run(number: int) -> None:
        got[number] = bring(sources[number], sha256, len(DATA), tmp_path / str(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(got.values()) == {DATA}
    assert site.origin.asked == [sha256]


def test_a_download_goes_on_from_any_place(site):
    sha256 = site.put(DATA)
    source = site.source()

    for offset in (0, 1, 4_000_000, len(DATA) - 1):
        with source.body(sha256, offset) as chunks:
            assert b"".join(chunks) == DATA[offset:]


def test_a_blob_that_rots_in_the_cache_is_made_up_for_by_the_hub(site, tmp_path):
    sha256, other = site.put(DATA), site.put(b"another")
    source = site.source()
    bring(source, sha256, len(DATA), tmp_path / "one")
    shelved(tmp_path, sha256).write_bytes(b"\0" * len(DATA))

    again = bring(source, sha256, len(DATA), tmp_path / "two")
    bring(source, other, 7, tmp_path / "two")

    assert again == DATA
    assert other not in site.origin.asked  # the cache is left alone for a while


@pytest.mark.parametrize("left", [b"", b"torn", bytes(len(DATA))])
def test_what_a_cut_of_the_power_left_in_the_cache_is_brought_anew(site, tmp_path, left):
    sha256 = site.put(DATA)
    (tmp_path / "cache" / sha256).write_bytes(left)
    source = site.source()

    got = bring(source, sha256, len(DATA), tmp_path / "device")

    assert got == DATA
    assert (tmp_path / "cache" / sha256).read_bytes() == DATA


def test_a_cache_that_lies_is_left_alone(site, tmp_path):
    blobs = {site.put(data): data for data in (b"first", b"second")}
    liar = Elsewhere({f"blobs/{sha256}": b"x" * len(data) for sha256, data in blobs.items()})
    source = site.source(liar.url)

    got = [bring(source, sha256, len(data), tmp_path / "device") for sha256, data in blobs.items()]

    assert got == list(blobs.values())
    assert len(liar.requests) == 1
    liar.close()


@pytest.mark.parametrize("sent", [b"", b"some", b"lies", b"some bytes and more", b"more lies than bytes"])
def test_a_cache_that_sends_too_little_or_too_much_stops_no_install(site, tmp_path, sent):
    sha256 = site.put(b"some bytes")
    liar = Elsewhere({f"blobs/{sha256}": sent})

    got = bring(site.source(liar.url), sha256, 10, tmp_path / "device")

    assert got == b"some bytes"
    assert len(liar.requests) == 1
    liar.close()


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_cache_that_has_nothing_costs_one_question(site, tmp_path, status):
    sha256 = site.put(b"some bytes")
    place = Elsewhere({})
    place.status = status

    got = bring(site.source(place.url), sha256, 10, tmp_path / "device")

    assert got == b"some bytes"
    assert len(place.requests) == 1
    place.close()


def test_a_cache_that_is_away_is_no_obstacle(site, tmp_path):
    sha256 = site.put(b"some bytes")

    assert bring(site.source("http://127.0.0.1:9"), sha256, 10, tmp_path / "device") == b"some bytes"


def test_what_breaks_off_at_the_cache_goes_on_at_the_hub(site, tmp_path):
    sha256 = site.put(DATA)
    bring(site.source(), sha256, len(DATA), tmp_path / "one")
    with shelved(tmp_path, sha256).open("r+b") as file:
        source = site.source()
        with source.body(sha256, 0) as chunks:
            begun = next(chunks)
            file.truncate(300_000)
            rest = b"".join(chunks)

    assert begun + rest == DATA


def test_the_longest_unused_goes_first_and_what_is_too_large_is_the_hub_s(site, tmp_path):
    source = site.source()
    large = [site.put(bytes([number]) * 6_000_000) for number in range(4)]
    for sha256 in large[:3]:
        bring(source, sha256, 6_000_000, tmp_path / "device")
        shelved(tmp_path, sha256)
    bring(site.source(), large[0], 6_000_000, tmp_path / "other")  # used again
    bring(source, large[3], 6_000_000, tmp_path / "device")
    shelved(tmp_path, large[3])

    kept = {path.name for path in (tmp_path / "cache").iterdir()}

    assert kept == {large[0], large[2], large[3]}
    huge = site.put(b"h" * 20_000_001)
    with pytest.raises(TooLarge):
        site.shelf.find(huge)
    assert len(bring(source, huge, 20_000_001, tmp_path / "device")) == 20_000_001


def test_a_blob_that_nobody_has_is_told_as_such(site):
    with pytest.raises(NotFound), site.source().body("0" * 64, 0) as chunks:
        next(chunks)


@pytest.mark.parametrize("path", ["/", "/blobs/", "/blobs/../hub", "/blobs/" + "g" * 64, "/cache/x"])
def test_the_cache_has_one_door(site, path):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(site.url + path)

    assert refusal.value.code == 404


def test_an_address_that_is_none_is_told_at_the_start(site):
    with pytest.raises(UsageError, match="not the address of a cache"):
        site.source("ftp://somewhere")
