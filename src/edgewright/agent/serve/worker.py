"""The serving worker: one package of one model behind a socket, in a process of its own, until it is told to end.

Started by the supervisor (see agent/workers) with a listening socket that it inherits and shares. Standard output is
lines of JSON (see phases.py); what a runtime prints goes to standard error. SIGTERM drains: see http/server.py.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.agent.disk import SLOTS
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.serve.http.server import BOUND_S, IDLE_S
from edgewright.agent.serve.phases import MAX_REASON_CHARS, Failed, Phase, Ready
from edgewright.agent.system.lines import own_stdout
from edgewright.agent.system.memory import give_back
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Manifest, Role

if TYPE_CHECKING:
    import numpy as np

    from edgewright.agent.serve.pinned import Pinned

THREADS = 4
WARM_UP_RUNS = 5
MIN_EASY_BYTES = 64 * 1024

Tell = Callable[[Phase], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM. Exit 0 after that, 1 where the package does not load (told on standard output)."""
    options = _parser().parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tell = own_stdout()
    vitals = Vitals.create_at(options.vitals, options.model, options.manifest_sha256)
    from edgewright.agent.serve.pinned import Pinned  # numpy and the runtime: from here on the package may be to blame

    try:
        pinned = Pinned(options.root, options.model, options.slot, options.manifest_sha256, vitals)
    except EdgewrightError as error:
        tell(Failed(reason=error.message[:MAX_REASON_CHARS], code=error.code))
        return 1
    try:
        serve(pinned, options.listen_fd, tell, idle_s=options.idle_s, bound_s=options.drain_s)
    finally:
        pinned.close()
    return 0


def serve(pinned: Pinned, listen_fd: int, tell: Tell, *, idle_s: float, bound_s: float) -> None:
    """Answer the Open Inference Protocol on the inherited socket until SIGTERM, and drain."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from edgewright.agent.serve.http.asgi import Application
    from edgewright.agent.serve.http.server import Server
    from edgewright.agent.serve.oip.service import Service
    from edgewright.agent.serve.package import blank_row

    give_back()  # what only the start has touched; the runs that warm the model up fetch again what they need
    gc.freeze()  # what is loaded by now stays: no collection looks at it again, and none takes long
    listener = socket.socket(fileno=listen_fd)
    listener.setblocking(False)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as threads:
        row = blank_row(pinned.manifest)
        service = Service(pinned, threads, warm_up(pinned, row))
        service.rehearse(row)
        application = Application(service, _warn, easy_bytes=easy_bytes(pinned.manifest), strain=pinned.strain)
        server = Server(application, lambda: tell(Ready()), idle_s=idle_s, bound_s=bound_s)
        asyncio.run(server.serve(sockets=[listener]))


def easy_bytes(manifest: Manifest) -> int:
    """As much as the golden rows, which went through the model at once in its trial, and within its budgets."""
    golden = manifest.find(Role.GOLDEN)
    return max(MIN_EASY_BYTES, golden.size_bytes if golden else 0)


def warm_up(pinned: Pinned, row: Mapping[str, np.ndarray]) -> float:
    """Seconds that the model takes for one row, once it is warm."""
    took_s = []
    for _ in range(WARM_UP_RUNS):
        started = time.perf_counter()
        pinned.package.infer(row)
        took_s.append(time.perf_counter() - started)
    return min(took_s)


def _warn(error: Exception) -> None:
    sys.stderr.write(f"a request could not be answered: {type(error).__name__}: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgewright.agent.serve.worker", description="Serve one package.")
    parser.add_argument("--root", type=Path, required=True, help="the agent's folder")
    parser.add_argument("--model", required=True)
    parser.add_argument("--slot", choices=SLOTS, required=True)
    parser.add_argument("--manifest-sha256", required=True, help="the package that must be there")
    parser.add_argument("--listen-fd", type=int, required=True, help="an inherited listening socket")
    parser.add_argument("--vitals", type=Path, required=True, help="where to tell what it does")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="how long kept connections may be idle at the end")
    parser.add_argument("--drain-s", type=float, default=BOUND_S, help="how long the end may take")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
