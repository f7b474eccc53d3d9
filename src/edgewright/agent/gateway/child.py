"""The gateway's process: `python -m edgewright.agent.gateway.child --root DIR --port N`, until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from edgewright.agent.gateway.application import Desk
from edgewright.agent.gateway.models import Folder
from edgewright.agent.gateway.needs import LOOK_EVERY_S, Needs
from edgewright.agent.serve.http.asgi import Application
from edgewright.agent.serve.http.server import Server

HOST = "127.0.0.1"
BACKLOG = 128
BOUND_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; 1 where the port is taken."""
    options = _parser().parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(2, 1)
    try:
        listener = socket.create_server((HOST, options.port), backlog=BACKLOG)
    except OSError as error:
        sys.stderr.write(f"the gateway cannot listen on {HOST}:{options.port}: {error}\n")
        return 1
    asyncio.run(serve(Folder(options.root), listener))
    return 0


async def serve(folder: Folder, listener: socket.socket) -> None:
    """Answer on `listener` until SIGTERM, and look after the pipelines' needs."""
    listener.setblocking(False)
    server = Server(Application(Desk(folder), _warn), lambda: None, idle_s=0.0, bound_s=BOUND_S)
    looking = asyncio.create_task(_look_after(Needs(folder)))
    await server.serve(sockets=[listener])
    looking.cancel()


async def _look_after(needs: Needs) -> None:
    while True:
        with contextlib.suppress(OSError):  # a disk that cannot be written keeps nobody from being answered
            needs.turn()
        await asyncio.sleep(LOOK_EVERY_S)


def _warn(error: Exception) -> None:
    sys.stderr.write(f"a request could not be answered: {type(error).__name__}: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.gateway.child", description="Serve all models.")
    parser.add_argument("--root", type=Path, required=True, help="the agent's folder")
    parser.add_argument("--port", type=int, required=True, help=f"where to listen on {HOST}")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
