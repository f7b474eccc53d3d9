"""uvicorn as the hub runs it, around any application; it prints its port once it answers."""

from __future__ import annotations

from typing import Any

import uvicorn

BACKLOG = 2048


def serve(app: Any) -> None:
    """Until SIGTERM."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", access_log=False)
    socket = config.bind_socket()
    socket.listen(BACKLOG)
    print(socket.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[socket])
