"""The hub as one ASGI application, and how it is served."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from litestar import Litestar, Router, get
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from edgewright import __version__
from edgewright.contract.errors import EdgewrightError, Refused
from edgewright.hub import logs
from edgewright.hub.app import Hub, build_hub
from edgewright.hub.automate.executors.queue import NEWS
from edgewright.hub.folder import hold
from edgewright.hub.settings import Settings
from edgewright.hub.web import (
    alerts,
    benches,
    directives,
    files,
    fleet,
    judging,
    keys,
    observation,
    pages,
    people,
    planning,
    registry,
    rehearsals,
    releases,
    rollouts,
    runs,
    samples,
    studies,
    targets,
    tasks,
    triggers,
    workers,
)
from edgewright.hub.web.devices import DEFAULT_POLL_S, PREFIX, DeviceDoors, Load, Receive, Scope, Send, protocol_of
from edgewright.hub.web.metrics import Figures, metrics
from edgewright.hub.web.principals import of_bearer
from edgewright.hub.web.replies import on_bug, on_http_error, on_refusal, on_unreadable
from edgewright.hub.web.ringing import Bell

BACKLOG = 2048
M_ARENA_MAX, ARENAS = -8, 2
MAX_JSON_BYTES = 16 * 1024**2
ROOMS = (
    people,
    files,
    samples,
    registry,
    studies,
    targets,
    runs,
    triggers,
    judging,
    releases,
    rehearsals,
    keys,
    fleet,
    directives,
    planning,
    rollouts,
    benches,
    observation,
    alerts,
    workers,
    tasks,
)


@get("/health", sync_to_thread=False, opt={"is_public": True})
def health() -> dict[str, str]:
    """Whether the hub is up."""
    return {"status": "ok", "version": __version__}


def build_app(hub: Hub, doors: DeviceDoors | None = None) -> Callable[[Scope, Receive, Send], Any]:
    """The whole hub behind one ASGI callable: devices' doors first, then people's API and pages."""
    devices = doors or DeviceDoors(hub)
    figures = Figures(hub, devices)
    work_bell = Bell(hub.events, NEWS)
    dependencies = {
        "hub": Provide(lambda: hub, sync_to_thread=False),
        "principal": Provide(of_bearer, sync_to_thread=True),
        "work_bell": Provide(lambda: work_bell, sync_to_thread=False),
        "figures": Provide(lambda: figures, sync_to_thread=False),
    }
    api = Router("/api/v1", route_handlers=[handler for room in ROOMS for handler in room.ROUTES])
    framework = Litestar(
        route_handlers=[health, metrics, api, *pages.routes()],
        dependencies=dependencies,
        state=State({"hub": hub}),
        exception_handlers={
            EdgewrightError: on_refusal,
            HTTPException: on_http_error,
            UnicodeDecodeError: on_unreadable,
            RecursionError: on_unreadable,
            OverflowError: on_unreadable,
            Exception: on_bug,
        },
        openapi_config=OpenAPIConfig(
            title="Edgewright",
            version=__version__,
            path="/api/schema",
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        ),
        compression_config=CompressionConfig(backend="gzip", minimum_size=2000, exclude=["^/api/v1/blobs"]),
        request_max_body_size=MAX_JSON_BYTES,
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_device = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (devices if is_device else framework)(scope, receive, send)  # type: ignore[arg-type]

    return app


class HubLost(Refused):
    code = "hub_lost"
    hint = "Start it again. Its machine stood still for a while, or had too much to do."


def serve(settings: Settings, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Run the hub of `settings` until SIGTERM or SIGINT; `ready` is told the address once it answers.

    `port` 0 takes a free one. Work that a crash cut off goes on. Raises HubRunning, DatabaseAway, WrongDatabase, and
    HubLost where the other hubs have taken this one for dead.
    """
    logs.set_up()
    share_memory()
    with hold(settings.dir, is_shared=not settings.url.startswith("sqlite")):
        hub = build_hub(settings)
        doors = DeviceDoors(hub, Load(settings.poll_s or DEFAULT_POLL_S))
        config = uvicorn.Config(
            build_app(hub, doors),
            http=protocol_of(doors.quick),
            host=host,
            port=port,
            log_level="warning",
            lifespan="off",
            access_log=False,
        )
        socket = config.bind_socket()
        socket.listen(BACKLOG)  # who comes before the server is up waits, and is not turned away
        address = f"http://{host}:{socket.getsockname()[1]}"
        server, lost = uvicorn.Server(config), threading.Event()

        def end() -> None:
            lost.set()
            server.should_exit = True

        hub.jobs.on_lost = end
        hub.start()
        settle_memory()
        try:
            ready(address)
            server.run(sockets=[socket])
        finally:
            hub.stop()
    if lost.is_set():
        raise HubLost("the other hubs of this database took this one for dead, and go on with its work")


def share_memory() -> None:
    """Let threads allocate from few arenas (mallopt(3)): else each of dozens keeps what it once needed for itself."""
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def settle_memory() -> None:
    """Take what a start has made out of the collector's sight: it stays, and looking through it holds requests up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
