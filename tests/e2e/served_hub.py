"""A hub served from a thread of this process, for browsers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import uvicorn

from edgewright.hub.app import Hub
from edgewright.hub.web.server import build_app


@contextlib.contextmanager
def served(hub: Hub) -> Iterator[str]:
    """The address of `hub`, which is served until the end."""
    config = uvicorn.Config(build_app(hub), port=0, log_level="warning", lifespan="off")
    socket = config.bind_socket()
    socket.listen()
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    serving.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.join()
