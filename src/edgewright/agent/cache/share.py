"""The child that serves a device's own blobs to its neighbours: `python -m edgewright.agent.cache.share`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from edgewright.agent.cache.held import HeldBlobs
from edgewright.agent.cache.server import CacheServer
from edgewright.agent.link import Throttle
from edgewright.agent.system import Stop

MAX_CONNECTIONS = 8


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bytes-s", type=float, required=True)
    chosen = parser.parse_args()
    stop = Stop()
    stop.listen()
    throttle = Throttle(chosen.bytes_s, time.monotonic, stop.wait)
    server = CacheServer(chosen.host, chosen.port, HeldBlobs(chosen.root, throttle), MAX_CONNECTIONS)
    server.serve_until(stop)


if __name__ == "__main__":
    main()
