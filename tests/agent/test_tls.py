"""TLS: whom a device takes for its hub, with a right clock and without one."""

from __future__ import annotations

import ipaddress
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from device import serving_counter
from faultproxy import FaultProxy
from scripted_hub import ScriptedHub
from wired import PATIENCE, Agent

from edgewright.agent.disk.ledger import Clocks, Ledger
from edgewright.agent.link import Tls
from edgewright.agent.link.line import NotTrusted
from edgewright.contract.errors import Unreachable

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


class Authority:
    """Signs certificates, as its device knows from `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self.name, self.key, NOW - YEAR, NOW + YEAR)
        self.file = folder / f"{name}.pem"
        authority = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(authority.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def context(
        self, host: str = "127.0.0.1", begin: datetime = NOW - YEAR, end: datetime = NOW + YEAR
    ) -> ssl.SSLContext:
        """A server that says it is `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")]), key, begin, end)
        is_address = host[0].isdecimal()
        says = x509.IPAddress(ipaddress.ip_address(host)) if is_address else x509.DNSName(host)
        signed = builder.add_extension(x509.SubjectAlternativeName([says]), critical=False).sign(
            self.key, hashes.SHA256()
        )
        path = self.folder / "server.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem + signed.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject, key, begin: datetime, end: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


@pytest.fixture
def hub(tmp_path):
    hub = ScriptedHub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path, "ours")


def behind(hub: ScriptedHub, context: ssl.SSLContext) -> FaultProxy:
    proxy = FaultProxy(hub.url, context)
    hub.url = proxy.url
    return proxy


def test_a_device_reaches_its_hub_by_the_authority_that_it_was_told(hub, authority, tmp_path):
    proxy = behind(hub, authority.context())
    hub.release(1)

    agent = Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=Tls(str(authority.file)))).work()

    assert serving_counter(agent.root) == 1
    proxy.close()


def test_a_device_reaches_its_hub_by_the_system_s_store(hub, authority, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    proxy = behind(hub, authority.context())
    hub.release(1)

    agent = Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=Tls())).work()

    assert serving_counter(agent.root) == 1
    proxy.close()


@pytest.mark.parametrize("wrong", ["unknown authority", "expired", "not yet", "host name", "no such file", "no TLS"])
def test_whoever_is_not_the_hub_gets_no_word_and_the_device_serves_on(hub, authority, tmp_path, wrong):
    own = replace(PATIENCE, silence_s=0.25, tls=Tls(str(authority.file)))
    proxy = behind(hub, authority.context())
    hub.release(1)
    agent = Agent(tmp_path / "agent", hub, patience=own).work()
    contexts = {
        "unknown authority": lambda: Authority(tmp_path, "theirs").context(),
        "expired": lambda: authority.context(end=NOW - timedelta(days=1)),
        "not yet": lambda: authority.context(begin=NOW + timedelta(days=1)),
        "host name": lambda: authority.context("other.example"),
        "no such file": lambda: authority.context(),
        "no TLS": lambda: None,
    }
    right, proxy._tls = proxy._tls, contexts[wrong]()
    hub.release(2)
    tls = Tls(str(tmp_path / "nowhere.pem") if wrong == "no such file" else str(authority.file))
    again = Agent(agent.root, hub, patience=replace(own, tls=tls))
    asked = len(hub.asked)

    again.work(120.0)
    heard, serving = len(hub.asked) - asked, serving_counter(agent.root)
    proxy._tls = right
    Agent(agent.root, hub, patience=own).work(120.0)

    assert (heard, serving) == (0, 1)
    assert serving_counter(agent.root) == 2
    proxy.close()


def test_the_error_says_what_is_wrong_and_what_to_do(hub, authority, tmp_path):
    proxy = behind(hub, Authority(tmp_path, "theirs").context())

    with pytest.raises(NotTrusted) as refusal:
        Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=Tls(str(authority.file))))

    assert "--ca" in refusal.value.hint
    assert isinstance(refusal.value, Unreachable)
    proxy.close()


@pytest.mark.parametrize(
    ("end", "counts"), [(NOW - timedelta(days=300), True), (NOW - timedelta(days=350), False)], ids=["later", "earlier"]
)
def test_without_a_clock_a_certificate_counts_unless_its_end_has_certainly_passed(
    hub, authority, tmp_path, end, counts
):
    proxy = behind(hub, authority.context(end=end))
    known = (NOW - timedelta(days=320)).timestamp()  # the agent's build: it is later than that
    tls = Tls(str(authority.file), lambda: False, lambda: known)
    hub.release(1)

    if counts:
        assert serving_counter(Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=tls)).work().root) == 1
    else:
        with pytest.raises(NotTrusted, match="expired"):
            Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=tls))
    proxy.close()


def test_without_a_clock_the_host_s_name_and_the_authority_still_count(hub, authority, tmp_path):
    tls = Tls(str(authority.file), lambda: False, lambda: 0.0)
    for context in (authority.context("other.example"), Authority(tmp_path, "theirs").context()):
        proxy = behind(hub, context)
        with pytest.raises(NotTrusted):
            Agent(tmp_path / "agent", hub, patience=replace(PATIENCE, tls=tls))
        proxy.close()


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_the_kernel_counts_every_byte_of_a_talk(hub, authority, tmp_path, is_tls, tell_figure):
    proxy = behind(hub, authority.context() if is_tls else None)
    clocks = Clocks(time.time, time.monotonic, "boot")
    ledger = Ledger(tmp_path / "none", clocks, lambda now: now + 86_400.0, 0)
    hub.release(1)

    agent = Agent(
        tmp_path / "agent", hub, patience=replace(PATIENCE, tls=Tls(str(authority.file)), meter=ledger)
    ).work()
    agent.link.close()
    agent.line.close()

    day, said = ledger.day(), proxy.up_bytes + proxy.down_bytes
    total = day.urgent_bytes + day.bulk_bytes
    kind = "https" if is_tls else "http"
    tell_figure(f"{kind}: an install said {said} bytes and moved {total}, {day.urgent_bytes} of them urgent")
    assert said * 1.05 < total < said * 1.5 + (12_000 if is_tls else 3000)
    assert day.bulk_bytes > sum(len(data) for data in hub.releases.files(1).values())
