"""What check-ins are held against: the same requests, answered 304 from a dictionary, under the hub's uvicorn settings.

    python -m checkins.peers bare|litestar|fastapi DEVICES

The bare one is ASGI and nothing else; it does not even read the body. The others are the two frameworks as their
documentation has it, with the body as bytes.
"""

from __future__ import annotations

import sys
from typing import Any

import fastapi
import litestar

from checkins.seeded import device_of, token_of
from checkins.serving import serve

NOTHING_NEW = {"type": "http.response.start", "status": 304, "headers": []}
UNKNOWN = {"type": "http.response.start", "status": 401, "headers": []}
NO_BODY = {"type": "http.response.body", "body": b""}


def bare(devices: int) -> Any:
    """A dictionary behind ASGI."""
    sessions = {f"Bearer {token_of(number)}".encode(): device_of(number) for number in range(devices)}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        token = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        await send(NOTHING_NEW if token in sessions else UNKNOWN)
        await send(NO_BODY)

    return app


def of_litestar(devices: int) -> Any:
    """The same behind Litestar."""
    sessions = {f"Bearer {token_of(number)}": device_of(number) for number in range(devices)}

    @litestar.post("/device/v1/checkin", sync_to_thread=False)
    def check_in(request: litestar.Request[Any, Any, Any]) -> litestar.Response[None]:
        is_known = request.headers.get("authorization", "") in sessions
        return litestar.Response(None, status_code=304 if is_known else 401)

    return litestar.Litestar(route_handlers=[check_in], openapi_config=None)


def of_fastapi(devices: int) -> Any:
    """The same behind FastAPI."""
    sessions = {f"Bearer {token_of(number)}": device_of(number) for number in range(devices)}
    app = fastapi.FastAPI()

    @app.post("/device/v1/checkin")
    async def check_in(request: fastapi.Request) -> fastapi.Response:
        is_known = request.headers.get("authorization", "") in sessions
        return fastapi.Response(status_code=304 if is_known else 401)

    return app


if __name__ == "__main__":
    makers = {"bare": bare, "litestar": of_litestar, "fastapi": of_fastapi}
    serve(makers[sys.argv[1]](int(sys.argv[2])))
