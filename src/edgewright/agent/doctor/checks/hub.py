"""The way to the hub, step by step: its name, a connection, its certificate, its answer, a session."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from edgewright.agent import keys
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.link import Link, Patience, Tls, device_time
from edgewright.agent.link.hub import API
from edgewright.agent.link.line import NotTheHub, NotTrusted, TimedConnection
from edgewright.agent.status import span
from edgewright.contract.errors import EdgewrightError, NotAllowed

NAME = "hub"
SOON_S = 14 * 86_400.0
PORTAL = "Something answers in the hub's place: a captive portal or a proxy. Open a page in a browser on this network."


def steps(case: Case) -> Iterator[Finding]:
    """Each step, up to the first that fails."""
    if case.identity is None:
        return
    url = urlsplit(case.identity.hub)
    for step in (_name, _connection, _certificate, _answer, _session):
        finding = step(case, url)
        if finding is not None:
            yield finding
            if finding.verdict == "bad":
                return


def _name(case: Case, url: SplitResult) -> Finding | None:
    try:
        found = socket.getaddrinfo(url.hostname, _port(url), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        help = "Is there a network (`ip route`), and does /etc/resolv.conf name a server that answers?"
        return bad(NAME, f"the name {url.hostname} cannot be resolved: {error}", help)
    return ok(NAME, f"{url.hostname} is {found[0][4][0]}")


def _connection(case: Case, url: SplitResult) -> Finding | None:
    began = time.monotonic()
    try:
        with socket.create_connection((url.hostname or "", _port(url)), timeout=case.settings.timeout_s):
            return ok(NAME, f"port {_port(url)} answers after {1000 * (time.monotonic() - began):.0f} ms")
    except OSError as error:
        help = "Does the hub run, and does a firewall on the way let this port pass? An agent goes on trying by itself."
        return bad(NAME, f"port {_port(url)} of {url.hostname} does not answer: {error}", help)


def _certificate(case: Case, url: SplitResult) -> Finding | None:
    if url.scheme != "https":
        return None
    try:
        with contextlib.closing(TimedConnection(url, _patience(case))) as connection:
            connection.connect()
        left_s = _certificate_left_s(case, url)
    except NotTrusted as error:
        return bad(NAME, error.message, error.hint)
    except (OSError, ssl.SSLError) as error:
        return bad(NAME, f"no TLS with {url.hostname}: {error}", "Does https really run at that port?")
    if left_s is not None and left_s < SOON_S:
        return warn(NAME, f"the hub's certificate ends in {span(left_s)}", "Renew it at the hub.")
    return ok(NAME, "its certificate counts")


def _answer(case: Case, url: SplitResult) -> Finding | None:
    connection = TimedConnection(url, _patience(case))
    path = f"{url.path.rstrip('/')}{API}/nonce"
    try:
        connection.request("POST", path, b"", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read(64 * 1024)
    except (OSError, http.client.HTTPException, EdgewrightError) as error:
        return bad(NAME, f"no answer over HTTP: {error}", "Does the hub run behind that address? Look into its log.")
    finally:
        connection.close()
    if answer.status in (301, 302, 303, 307, 308) or b"<html" in body[:2000].lower():
        return bad(NAME, f"a page comes in place of the hub's answer, with status {answer.status}", PORTAL)
    if answer.status != http.client.OK or b'"nonce"' not in body:
        help = "Is this the hub's address, with its path? `edgewright-agent run --hub URL` changes it."
        return bad(NAME, f"it answers with status {answer.status}, not as a hub", help)
    return ok(NAME, "it answers as a hub")


def _session(case: Case, url: SplitResult) -> Finding | None:
    if case.identity is None:
        return None
    try:
        key = keys.open_key(case.root, case.settings.key, case.environment)
        clock = device_time(case.root).now
        device, talk_s = case.identity.device, case.settings.talk_s
        link = Link(case.identity.hub, key, device=device, clock=clock, patience=_patience(case), talk_s=talk_s)
        with contextlib.closing(link):
            link.tuf("timestamp.json", 64 * 1024)
    except NotAllowed as error:
        help = "Was this device revoked, or is it another hub? `edgewright device list` there; else enrol anew."
        return bad(NAME, f"it does not let this device in: {error.message}", help)
    except NotTheHub as error:
        return bad(NAME, error.message, PORTAL)
    except EdgewrightError as error:
        return bad(NAME, f"no session: {error.message}", error.hint or "Look into the hub's log.")
    return ok(NAME, "it knows this device, and opens a session")


def _certificate_left_s(case: Case, url: SplitResult) -> float | None:
    """How long the hub's certificate counts; None where nobody can say."""
    context = ssl.create_default_context(cafile=case.settings.ca or None)
    try:
        bare = socket.create_connection((url.hostname or "", _port(url)), timeout=case.settings.timeout_s)
        with bare, context.wrap_socket(bare, server_hostname=url.hostname) as line:
            ends = (line.getpeercert() or {}).get("notAfter")
    except OSError:  # dates do not count where the clock cannot be believed
        return None
    return ssl.cert_time_to_seconds(str(ends)) - case.clock() if ends else None


def _patience(case: Case) -> Patience:
    signed = device_time(case.root)
    tls = Tls(case.settings.ca, signed.has_clock, signed.now)
    return Patience(case.settings.timeout_s, case.settings.min_bytes_s, case.monotonic, tls)


def _port(url: SplitResult) -> int:
    return url.port or (http.client.HTTPS_PORT if url.scheme == "https" else http.client.HTTP_PORT)
