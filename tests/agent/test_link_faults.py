"""Links as they are: whatever the line does, the model serves, nothing is believed, nothing grows, and it ends."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import faultproxy
import pytest
from device import NOW, Releases, reports, serving_counter
from elsewhere import Elsewhere
from faultproxy import FaultProxy, on
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.install import Downloads
from edgewright.agent.link import Later, Patience
from edgewright.agent.link.line import retry_after_s
from edgewright.agent.link.schedule import Chance, Schedule
from edgewright.contract.errors import EdgewrightError, Unreachable
from edgewright.contract.report import Fault
from scenes.lines import line as blob_line
from scenes.served import ServedHub

HASTE = Patience(silence_s=0.25, min_bytes_s=20_000.0, monotonic=time.monotonic)
LONGEST_WAIT_S = 6100.0
BIG_BYTES = 1_500_000


class BigReleases(Releases):
    """Packages whose model is 1.5 MB of its own for each release."""

    def files(self, counter: int) -> dict[str, bytes]:
        return {**super().files(counter), "model.onnx": (b"%07d" % counter) * (BIG_BYTES // 7)}


class Line:
    """A device that serves release 1, its hub, and the proxy between them."""

    def __init__(self, folder: Path) -> None:
        self.hub = ScriptedHub(folder / "hub")
        self.proxy = FaultProxy(self.hub.url)
        self.hub.url = self.proxy.url  # what the device takes for its hub
        self.hub.release(1)
        self.agent = Agent(folder / "agent", self.hub, patience=HASTE).work()
        self.root = self.agent.root
        self.held_bytes = self.disk_bytes()
        self.proxy.reset()

    def disk_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def suffer(self, fault: faultproxy.Fault, for_s: float = 120.0) -> None:
        self.proxy.fault = fault
        self.work(for_s)

    def work(self, for_s: float) -> None:
        """Turn the loop for so long, and look now and then whether the device can serve."""
        until = self.agent.ticks + for_s
        for turn in itertools.count():
            if turn % 20 == 0:
                assert serving_counter(self.root) >= 1
            if self.agent.ticks >= until:
                return
            self.agent.delivery.turn()

    def recover(self, counter: int) -> float:
        """Mend the line, and say how long it took until the release was there."""
        self.proxy.fault = faultproxy.honest
        began = self.agent.ticks
        while serving_counter(self.root) != counter:
            assert self.agent.ticks < began + LONGEST_WAIT_S, "the device does not come back"
            self.agent.delivery.turn()
        return self.agent.ticks - began

    def figure(self, name: str) -> str:
        return (
            f"{name}: {self.proxy.connections} connections, {self.proxy.requests} requests, "
            f"{self.proxy.up_bytes} bytes up and {self.proxy.down_bytes} down in 120 s"
        )

    def close(self) -> None:
        self.proxy.close()
        self.hub.close()


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path)
    yield line
    line.close()


FAULTS = {
    "a byte now and then": faultproxy.trickle,
    "a body without an end": faultproxy.endless,
    "chunks without an end": faultproxy.endless_chunks,
    "flipped bytes": faultproxy.flip,
    "flipped bytes in blobs": on("blobs", faultproxy.flip),
    "flipped bytes in metadata": on("tuf", faultproxy.flip),
    "gzip": faultproxy.packed,
    "gzip in blobs": on("blobs", faultproxy.packed),
    "another range": on("blobs", faultproxy.other_range),
    "several ranges": on("blobs", faultproxy.multipart),
    "a captive portal": faultproxy.portal,
    "a captive portal for blobs": on("blobs", faultproxy.portal),
    "a portal that does not say so, for blobs": on("blobs", faultproxy.silent_portal),
    "a portal that does not say so": faultproxy.silent_portal,
    "a portal that knows no such page": faultproxy.refusing_portal,
    "no such page for blobs": on("blobs", faultproxy.refusing_portal),
    "silence": faultproxy.hang,
    "a slammed door": faultproxy.slam,
    "503": faultproxy.busy(503),
    "429": faultproxy.busy(429, Retry_After="30"),
}


ALIKE = {  # each is like another of these faults, at one door more or less
    "flipped bytes",
    "flipped bytes in metadata",
    "gzip",
    "chunks without an end",
    "several ranges",
    "a captive portal for blobs",
    "a portal that does not say so",
    "a portal that knows no such page",
    "429",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.e2e] if name in ALIKE else []) for name in FAULTS]
)
def test_the_device_serves_on_believes_nothing_and_comes_back(line, name, tell_figure):
    line.hub.release(2)
    began = time.monotonic()

    line.suffer(FAULTS[name])
    figure, active, grown = line.figure(name), serving_counter(line.root), line.disk_bytes() - line.held_bytes
    ended = [report.outcome for report in reports(line.root)]
    taken_s = time.monotonic() - began
    recovered_s = line.recover(2)

    tell_figure(f"{figure}; {grown} bytes more on the disk; current {recovered_s:.0f} s after the line was mended")
    assert active == 1
    assert ended == []
    assert grown < 50_000
    assert line.proxy.connections < 200
    assert line.proxy.down_bytes < 40_000_000
    assert taken_s < 30.0


def test_redirects_to_a_foreign_host_lead_no_request_with_a_token_there(line, tell_figure):
    place = Elsewhere({})
    place.status = 404
    line.hub.release(2)

    line.suffer(faultproxy.sends_on_to(place.url))
    recovered_s = line.recover(2)

    tell_figure(f"redirects: {line.figure('to a foreign host')}, which was asked {len(place.requests)} times")
    assert all("authorization" not in request for request in place.requests)
    assert recovered_s < LONGEST_WAIT_S
    place.close()


@pytest.mark.parametrize("host", ["a" * 64, "a..b", ".", "x" * 300, "%00", "[::", "xn--\u2028", "999.999.999.999"])
def test_a_redirect_to_where_no_host_can_be_is_an_error_of_the_link(line, host):
    sha256 = line.hub.shelf.add(b"some bytes")
    line.proxy.fault = on("blobs", faultproxy.sends_on_to(f"http://{host}/x"))

    with pytest.raises(EdgewrightError), line.agent.line.body(sha256, 0) as chunks:
        list(chunks)


def test_a_package_comes_through_a_line_that_is_cut_every_64_kb(line, tell_figure):
    line.hub.releases = BigReleases(line.hub.shelf)
    line.hub.release(2, fetches=())
    line.proxy.fault = faultproxy.cut_every(64 * 1024)

    began = line.agent.ticks
    while serving_counter(line.root) != 2:
        line.agent.delivery.turn()
    took_s = line.agent.ticks - began

    tell_figure(
        f"cut every 64 KiB: a package of {BIG_BYTES} bytes took {line.proxy.down_bytes} bytes down, "
        f"{line.proxy.connections} connections and {took_s:.0f} s of back-off"
    )
    assert line.proxy.down_bytes < 1.1 * BIG_BYTES
    assert line.proxy.connections < 60


def test_a_200_in_place_of_a_range_is_passed_over_up_to_where_the_device_was(line, tmp_path):
    sha256 = line.hub.shelf.add(bytes(range(256)) * 40)

    def whole(asked, answer, proxy):
        body = line.hub.shelf.blobs[sha256] if asked.door == "blobs" else answer.body
        yield bytes(faultproxy.Answer(200, {}, body))

    line.proxy.fault = whole
    with line.agent.line.body(sha256, 5000) as chunks:
        got = b"".join(chunks)

    assert got == line.hub.shelf.blobs[sha256][5000:]


@pytest.mark.parametrize(
    "name", ["flipped bytes", "a captive portal", "no such page for blobs", "a portal that does not say so"]
)
def test_no_record_that_waits_is_lost_to_a_bad_line(line, name):
    line.agent.work()
    for number in range(20):
        line.agent.delivery._equipment.reports.append(Fault(id=f"f{number}", at=NOW, code="x", message="y"))

    line.proxy.fault = on("batch", FAULTS[name])
    line.work(200.0)
    line.proxy.fault = faultproxy.honest
    line.work(LONGEST_WAIT_S)

    assert {record.id for record in line.hub.records if record.id.startswith("f")} == {f"f{n}" for n in range(20)}


@pytest.mark.parametrize("fault", ["refused", "dns"])
def test_a_hub_that_is_not_there_costs_little(tmp_path, fault, monkeypatch, tell_figure):
    line = Line(tmp_path)
    line.proxy.close()
    asked = itertools.count()
    if fault == "dns":

        def gone(*_, **__):
            next(asked)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", gone)

    line.agent.link.close()
    line.work(3600.0)

    tell_figure(f"{fault}: an hour without a hub, {line.disk_bytes() - line.held_bytes} bytes more on the disk")
    assert serving_counter(line.root) == 1
    assert line.disk_bytes() - line.held_bytes < 10_000
    assert next(asked) < 60
    line.close()


@pytest.mark.parametrize("days", [1, pytest.param(90, marks=pytest.mark.e2e)])
def test_after_months_without_a_hub_a_device_is_current_within_one_exchange(line, tell_figure, days):
    line.proxy.fault = faultproxy.slam
    for _ in range(days):
        line.hub.now += 86_400.0
        line.work(86_400.0)
    polls = line.proxy.requests
    line.hub.repository.renew(datetime.fromtimestamp(line.hub.now, UTC))
    line.hub.release(2)
    line.proxy.reset()
    before = len(line.hub.check_ins)

    recovered_s = line.recover(2)

    tell_figure(
        f"{days} days without a hub: {polls} requests, {polls / days:.0f} a day; then current within "
        f"{recovered_s:.0f} s, {line.proxy.requests} requests and {line.proxy.down_bytes} bytes"
    )
    assert polls / days < 200
    assert len(line.hub.check_ins) - before <= 2


@pytest.mark.parametrize("door", ["checkin", "session", "nonce", "tuf", "blobs"])
def test_every_kind_of_request_keeps_to_retry_after(line, door):
    line.hub.release(2)
    line.agent.link._token = ""  # so that there is a session to open
    times: list[float] = []

    def busy(asked, answer, proxy):
        times.append(line.agent.ticks)
        yield from faultproxy.busy(503, Retry_After="3000")(asked, answer, proxy)

    line.suffer(on(door, busy), 10_000.0)
    line.recover(2)

    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps
    assert min(gaps) >= 3000.0


@pytest.mark.parametrize(
    ("said", "date", "wait_s"),
    [
        ("120", "", 120.0),
        (" 7 ", "", 7.0),
        ("999999999999", "", 3600.0),
        ("-5", "", 0.0),
        ("soon", "", 0.0),
        ("١٢", "", 0.0),
        ("Wed, 18 Nov 2026 12:02:00 GMT", "Wed, 18 Nov 2026 12:00:00 GMT", 120.0),
        ("Wed, 18 Nov 2026 11:00:00 GMT", "Wed, 18 Nov 2026 12:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "Wed, 18 Nov 2026 12:00:00 GMT", 3600.0),
        ("Wed, 18 Nov 2026 12:02:00 GMT", "", 0.0),
        ("Wed, 99 Nov 2026 12:02:00 GMT", "x", 0.0),
        ("", "", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_against_the_sender_s_own(said, date, wait_s):
    headers = http.client.HTTPMessage()
    headers["Retry-After"], headers["Date"] = said, date

    assert retry_after_s(headers) == wait_s


def test_a_fleet_that_was_told_to_wait_does_not_come_back_together(tell_figure):
    schedules = [Schedule(lambda: 0.0, Chance(), 600.0) for _ in range(500)]
    for schedule in schedules:
        schedule.fail(Later("busy", wait_s=100.0, spread_s=100.0))

    waits = [schedule.remaining_s() for schedule in schedules]
    busiest = max(sum(second <= wait < second + 1 for wait in waits) for second in range(100, 200))

    tell_figure(
        f"Retry-After 100 to 500 devices: back after {min(waits):.0f} to {max(waits):.0f} s, {busiest} in a second"
    )
    assert min(waits) >= 100.0
    assert busiest < 25


def test_one_who_hangs_up_from_another_thread_ends_a_talk_at_once(line):
    line.proxy.fault = faultproxy.hang
    threading.Timer(0.05, line.agent.line.hang_up).start()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        line.agent.link.tuf("timestamp.json", 1000)

    assert time.monotonic() - began < 0.24


@pytest.mark.e2e
def test_a_blob_of_a_real_hub_comes_through_a_line_that_is_cut_every_64_kb(tmp_path, tell_figure):
    served = ServedHub(tmp_path / "hub")
    device, key = served.enrol("lane")
    proxy = FaultProxy(served.url)
    data = bytes(range(256)) * 8000
    sha256 = served.hub.blobs.put_bytes(data)
    proxy.fault = faultproxy.cut_every(64 * 1024)
    downloads = Downloads(tmp_path / "staging", blob_line(proxy.url, key, device), lambda: False)

    while (path := downloads.bring(sha256, len(data))) is None:
        pass

    tell_figure(
        f"a real hub, cut every 64 KiB: {len(data)} bytes took {proxy.down_bytes} in {proxy.connections} connections"
    )
    assert path.read_bytes() == data
    assert proxy.down_bytes < 1.1 * len(data)
    proxy.close()
    served.close()
