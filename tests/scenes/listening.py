"""Where alerts arrive in tests: an HTTP server and a mail server in threads, with the answers that a test wants."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass
class Asked:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """An HTTP server: each POST gets the next of `answers`, and 200 when there are none left."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@contextlib.contextmanager
def http_listener() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listener.asked.append(Asked(self.path, headers, body))
            code = listener.answers.pop(0) if listener.answers else 200
            self.send_response(code)
            if code == 302:
                self.send_header("location", f"{listener.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}"
    with _serving(server):
        yield listener


@dataclass
class MailBox:
    """A mail server with one user; letters as they came, and whether each came over TLS."""

    port: int = 0
    letters: list[tuple[str, bool]] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def mail_listener(context: ssl.SSLContext | None) -> Iterator[MailBox]:
    """It offers STARTTLS if there is a `context`."""
    box = MailBox()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            stream, is_private = self.request, False
            stream.sendall(b"220 here\r\n")
            lines = stream.makefile("rb")
            while line := lines.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"EHLO":
                    more = b"250-STARTTLS\r\n" if context and not is_private else b""
                    stream.sendall(b"250-here\r\n" + more + b"250 AUTH PLAIN\r\n")
                elif word == b"STARTTLS" and context:
                    stream.sendall(b"220 go on\r\n")
                    stream, is_private = context.wrap_socket(stream, server_side=True), True
                    lines = stream.makefile("rb")
                elif word == b"AUTH":
                    box.logins.append(line.split()[2])
                    stream.sendall(b"235 welcome\r\n")
                elif word == b"DATA":
                    stream.sendall(b"354 go on\r\n")
                    letter = b"".join(iter(lines.readline, b".\r\n"))
                    box.letters.append((letter.decode(), is_private))
                    stream.sendall(b"250 thanks\r\n")
                elif word == b"QUIT":
                    stream.sendall(b"221 bye\r\n")
                    return
                else:
                    stream.sendall(b"250 fine\r\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    box.port = server.server_address[1]
    with _serving(server):
        yield box


def certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one file."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
