"""How long a device waits: silence, a trickle, and a talk without an end all end; a slow and steady link does not."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from trickle import ENDLESS_BODY, ENDLESS_CONTINUES, ENDLESS_HEADERS, HEAD, Trickle

from edgewright.agent.link import Deadline, Link, Patience, TimedConnection, Tls, TooSlow
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import HostileInput, Unreachable
from edgewright.contract.report import CheckIn

HASTE = Patience(silence_s=0.2, min_bytes_s=10_000.0, monotonic=time.monotonic)


class Wire:
    """A real socket on which bytes arrive after as long as the test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ours, self.theirs = socket.socketpair()

    def __call__(self) -> float:
        return self.now

    def begin(self, ends_at: float = float("inf")) -> Deadline:
        return Patience(silence_s=5.0, min_bytes_s=100.0, monotonic=self).begin(ends_at)

    def receive(self, deadline: Deadline, count: int, after_s: float) -> None:
        def read() -> int:
            self.now += after_s
            self.theirs.sendall(b"x" * count)
            return len(self.ours.recv(count))

        assert deadline.receive(self.ours, read) == count

    def receive_often(self, times: int, deadline: Deadline, count: int, after_s: float) -> None:
        for _ in range(times):
            self.receive(deadline, count, after_s)


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.ours.close()
    wire.theirs.close()


def test_a_byte_now_and_then_buys_no_time(wire):
    deadline = wire.begin()

    with pytest.raises(TooSlow):
        wire.receive_often(10, deadline, 1, after_s=1.0)

    assert wire.now == 6.0


def test_a_link_at_the_lowest_rate_may_go_on_for_ever(wire):
    deadline = wire.begin()

    wire.receive_often(1000, deadline, 100, after_s=1.0)

    assert wire.now == 1000.0


def test_a_quick_beginning_earns_no_right_to_a_trickle(wire):
    deadline = wire.begin()
    wire.receive(deadline, 60_000, after_s=0.1)

    with pytest.raises(TooSlow):
        wire.receive_often(10, deadline, 1, after_s=1.0)


def test_what_the_device_does_between_two_reads_is_not_the_other_side_s_time(wire):
    deadline = wire.begin()

    for _ in range(10):
        wire.receive(deadline, 1, after_s=0.1)
        wire.now += 60.0

    assert wire.now > 600.0


def test_a_talk_has_an_end_however_fast_its_bytes_come(wire):
    deadline = wire.begin(ends_at=10.0)

    with pytest.raises(TooSlow):
        wire.receive_often(100, deadline, 10_000, after_s=0.5)

    assert wire.now == 10.0


def test_bytes_that_nobody_takes_are_not_offered_for_ever():
    ours, theirs = socket.socketpair()
    deadline = Patience(silence_s=0.05, min_bytes_s=10e9, monotonic=time.monotonic).begin()

    with ours, theirs, pytest.raises(TooSlow):
        deadline.send(ours, b"x" * 50_000_000)


@pytest.mark.parametrize(
    "parts", [ENDLESS_BODY, ENDLESS_HEADERS, ENDLESS_CONTINUES, ()], ids=["body", "headers", "continues", "silence"]
)
def test_a_check_in_is_not_held_open(parts):
    hub = Trickle(parts)
    key = Ed25519PrivateKey.generate()
    link = Link(hub.url, SoftKey(key), device="d", clock=time.time, patience=HASTE, talk_s=0.5)
    began = time.monotonic()

    with pytest.raises((Unreachable, HostileInput)), link.talk():
        link.check_in(CheckIn(nonce="n"))

    assert time.monotonic() - began < 5.0
    link.close()
    hub.close()


def test_the_same_deadline_holds_for_any_server():
    server = Trickle((HEAD, b"x" * 100, *(b"y",) * 1000))
    connection = TimedConnection(urlsplit(server.url), HASTE)
    connection.request("GET", "/")
    response = connection.getresponse()

    with pytest.raises(TooSlow):
        response.read()

    connection.close()
    server.close()


@pytest.fixture
def certificate(tmp_path, monkeypatch) -> Path:
    """A certificate for 127.0.0.1 with its key, which this process trusts."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    began = datetime.now(UTC) - timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, began, began + timedelta(days=9), [])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "hub.pem").write_bytes(pem + signed.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "hub.pem"))
    return tmp_path / "hub.pem"


@pytest.mark.parametrize(("parts", "ends_well"), [((b"x" * 1000, b"y" * 1000), True), ((b"x",) * 1000, False)])
def test_the_same_deadline_holds_over_tls(certificate, parts, ends_well):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Trickle((b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", *parts), tls=context)
    connection = TimedConnection(urlsplit(server.url), replace(HASTE, tls=Tls()))
    connection.request("GET", "/")
    response = connection.getresponse()

    if ends_well:
        assert len(response.read()) == 2000
    else:
        with pytest.raises(TooSlow):
            response.read()

    connection.close()
    server.close()
