"""`edgewright-agent cache`: wires the cache of a site and serves until it is asked to stop."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from edgewright.agent.cache.server import CacheServer
from edgewright.agent.cache.shelf import Shelf
from edgewright.agent.disk import Settings
from edgewright.agent.link import BlobLine, Link, Patience, Throttle
from edgewright.agent.system import Stop, logs
from edgewright.contract.errors import UsageError


def serve(
    chosen: argparse.Namespace, root: Path, link: Link, patience: Patience, settings: Settings, stop: Stop
) -> int:
    """Serve until SIGTERM or SIGINT; the first line on standard output says where."""
    logs.start()
    throttle = Throttle(settings.bandwidth_bytes_s, time.monotonic, stop.wait)
    line = BlobLine(link, throttle=throttle, patience=patience, measured=lambda *_, **__: None)
    shelf = Shelf(root / "cache", chosen.max_bytes, line)
    try:
        server = CacheServer(chosen.host, chosen.port, shelf)
    except OSError as error:
        raise UsageError(f"{chosen.host}:{chosen.port} cannot be listened to: {error}", field="port") from error
    sys.stdout.write(f"cache at http://{chosen.host}:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_until(stop)
    return 0
