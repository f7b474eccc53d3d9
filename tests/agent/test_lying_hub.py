"""A hub whose answers are no answers: every lie is one of the link's own errors, and none ends the agent."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.disk import load_identity
from edgewright.agent.link import Link, Patience
from edgewright.agent.link.enrolment import enrol
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.report import Capabilities, CheckIn, EnrolReply
from hostile.signed import NOW, Hub

NONCE = b'{"nonce": "n1", "ttl_s": 60.0}'
ROOT = Hub().root(1)
SESSION = b'{"token": "t1", "expires_in_s": 60.0}'


class Liar:
    """Answers one door with `lie`, (status, body), and the others as a hub would."""

    def __init__(self, door: str, lie: tuple[int, bytes]) -> None:
        answers = {"nonce": (200, NONCE), "session": (200, SESSION), door: lie}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = answers[self.path.rsplit("/", 1)[1]]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.mark.parametrize(
    ("door", "status", "body"),
    [
        ("nonce", 200, b"<html>Please log in to this network</html>"),
        ("nonce", 200, b'{"nonce": "\xff\xfe", "ttl_s": 60.0}'),
        ("nonce", 200, b'{"nonce": "a\\r\\nX: y", "ttl_s": 60.0}'),
        ("nonce", 200, b'{"nonce": "", "ttl_s": 60.0}'),
        ("nonce", 200, b'{"nonce": "n1", "ttl_s": 60.0, "later": ' + b"[" * 100_000),
        ("checkin", 422, b'{"error": ' + b'{"error": ' * 100_000),
        ("session", 200, '{"token": "a\\r\\nX: €", "expires_in_s": 60.0}'.encode()),
        ("session", 200, b'{"token": "", "expires_in_s": 60.0}'),
        ("session", 302, b""),
        ("checkin", 422, b'{"error": {"code": "\xff", "message": "no"}}'),
        ("checkin", 500, b"\xff"),
        ("checkin", 200, b"x" * 1_000_000),
    ],
)
def test_a_lie_of_the_hub_is_an_error_of_the_link(door, status, body):
    liar = Liar(door, (status, body))
    patience = Patience(silence_s=5.0, min_bytes_s=100.0, monotonic=time.monotonic)
    key = SoftKey(Ed25519PrivateKey.generate())
    link = Link(liar.url, key, device="dev-1", clock=lambda: 0.0, patience=patience, talk_s=60.0)

    with pytest.raises(EdgewrightError):
        link.check_in(CheckIn(nonce="n"))

    link.close()
    liar.server.shutdown()
    liar.server.server_close()


@pytest.mark.parametrize(
    "reply",
    [
        EnrolReply(device="dev 1\r\nX: y", root=ROOT, hub_time=NOW.timestamp(), labels={}),
        EnrolReply(device="../../other", root=ROOT, hub_time=NOW.timestamp(), labels={}),
        EnrolReply(device="", root=ROOT, hub_time=NOW.timestamp(), labels={}),
        EnrolReply(device="dev-1", root=b"{}", hub_time=NOW.timestamp(), labels={}),
        EnrolReply(device="dev-1", root=ROOT[:-9], hub_time=NOW.timestamp(), labels={}),
    ],
    ids=["a name that is no word", "a name that is a path", "no name", "a root that is none", "a root that is cut"],
)
def test_an_enrolment_that_is_none_is_refused_and_leaves_no_identity(reply, tmp_path):
    liar = Liar("enrol", (200, msgspec.json.encode(reply)))
    patience = Patience(silence_s=5.0, min_bytes_s=100.0, monotonic=time.monotonic)
    key = SoftKey(Ed25519PrivateKey.generate())
    link = Link(liar.url, key, device="", clock=lambda: 0.0, patience=patience, talk_s=60.0)
    machine = Capabilities(arch="x", cores=1, ram_bytes=1, disk_free_bytes=1, runtimes={}, agent_version="1")

    with pytest.raises(HostileInput):
        enrol(tmp_path, hub=liar.url, claim="c", name="n", key=key, link=link, measure=lambda: machine)

    assert load_identity(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    link.close()
    liar.server.shutdown()
    liar.server.server_close()
