"""Blobs by the nginx in front of the hub, with the configuration that docs/howto gives."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from scenes.served import ServedHub

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="needs Debian's nginx-light (debian-packages.sh)"),
]
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "serve-blobs-with-nginx-or-s3.md"


class Nginx:
    """nginx with the how-to's server block, its ports and folders put in."""

    def __init__(self, folder: Path, hub_port: int, blobs: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        server = re.search(r"```nginx\n(.*?)```", HOWTO.read_text(), re.DOTALL)[1]
        server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{self.port};")
        server = re.sub(r" *ssl_certificate.*\n", "", server)
        server = server.replace("127.0.0.1:8080", f"127.0.0.1:{hub_port}").replace(
            "/var/lib/edgewright/blobs/", f"{blobs}/"
        )
        folder.mkdir()
        places = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        root = "user root;\n" if os.getuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(
            f"{root}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log {folder}/access.log;\n{places}{server}}}\n"
        )
        self._process = subprocess.Popen(["nginx", "-c", str(config), "-e", f"{folder}/error.log"])
        for _ in range(200):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((folder / "error.log").read_text())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def served(tmp_path):
    served = ServedHub(tmp_path / "hub", blob_serving="nginx")
    yield served
    served.close()


@pytest.fixture
def nginx(tmp_path, served):
    nginx = Nginx(tmp_path / "nginx", served.port, tmp_path / "hub" / "blobs")
    yield nginx
    nginx.close()


def fetch(line, sha256: str, offset: int = 0) -> bytes:
    with line.body(sha256, offset) as chunks:
        return b"".join(chunks)


def test_nginx_sends_what_the_hub_allows(served, nginx):
    data = bytes(range(256)) * 20_000
    sha256 = served.hub.blobs.put_bytes(data)
    line = served.line(nginx.url)

    whole, rest = fetch(line, sha256), fetch(line, sha256, 5_000_000)

    assert hashlib.sha256(whole).hexdigest() == sha256
    assert rest == data[5_000_000:]


@pytest.mark.parametrize("path", ["/device/v1/blobs/{}", "/edgewright-blobs/{:.2}/{}"])
def test_nginx_gives_nothing_to_whom_the_hub_does_not_know(served, nginx, path):
    sha256 = served.hub.blobs.put_bytes(b"some bytes")

    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(nginx.url + path.format(sha256, sha256))

    assert refusal.value.code in (401, 404)
