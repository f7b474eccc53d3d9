"""A hub behind a real port, with one device that may fetch blobs; run as a program, a process of its own."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.link import BlobLine
from edgewright.contract.api import Role, UserDraft
from edgewright.hub.fleet import table as fleet
from edgewright.hub.settings import Settings
from edgewright.hub.web.server import build_app
from scenes.dashboard import add_device, swift_hub
from scenes.lines import line

USER, PASSWORD = "ana", "a long password"


class ServedHub:
    """`settings` are fields of the hub's Settings."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.hub = swift_hub(Settings(dir=folder, **settings), time.time)
        self.device, self.key = self.enrol("lane")
        roles = (Role.ENGINEER, Role.OPERATOR)
        self.hub.people.create("test", UserDraft(name=USER, password=PASSWORD, roles=roles))
        config = uvicorn.Config(build_app(self.hub), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
        self._socket = config.bind_socket()
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    def enrol(self, name: str) -> tuple[str, Ed25519PrivateKey]:
        """One more device: its id and its key."""
        key = Ed25519PrivateKey.generate()
        with self.hub.db.write() as connection:
            device = add_device(connection, name)
            mine = fleet.device.c.id == device
            public = key.public_key().public_bytes_raw()
            connection.execute(sa.update(fleet.device).where(mine).values(public_key=public))
        return device, key

    def line(self, url: str = "") -> BlobLine:
        """The device's way to the hub's blobs, by another address if one is given."""
        return line(url or self.url, self.key, self.device)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.hub.serving.close()
        self.hub.db.close()


def main() -> None:
    """Serve until standard input ends; the first line printed says where, and with which key."""
    served = ServedHub(Path(sys.argv[1]))
    raw = served.key.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    print(json.dumps({"url": served.url, "key": raw.hex(), "device": served.device}), flush=True)  # noqa: T201
    sys.stdin.read()
    served.close()


if __name__ == "__main__":
    main()
