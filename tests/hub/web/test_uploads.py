"""Uploads of blobs: many at once, cut off, and forged."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest

from edgewright.contract.api import Role, UserDraft
from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD

MANY = 64  # more than the server has threads
PATIENCE_S = 20.0


@pytest.fixture
def sender(hub) -> httpx.AsyncClient:
    """An engineer's program."""
    hub.people.create("test", UserDraft(name="eva", password=PASSWORD, roles=(Role.ENGINEER,)))
    token = hub.people.login("eva", PASSWORD).token
    transport = httpx.ASGITransport(build_app(hub))
    return httpx.AsyncClient(transport=transport, base_url="http://hub", headers={"Authorization": f"Bearer {token}"})


def url(data: bytes) -> str:
    return f"/api/v1/blobs/{hashlib.sha256(data).hexdigest()}"


def incoming(hub) -> list[str]:
    return [path.name for path in (hub.settings.dir / "blobs" / "incoming").iterdir()]


def test_many_slow_uploads_at_once_all_arrive_and_hold_nobody_up(hub, sender):
    bodies = [number.to_bytes(4, "big") for number in range(MANY)]
    all_have_begun = asyncio.Barrier(MANY)

    async def slowly(body: bytes) -> AsyncIterator[bytes]:
        yield body[:2]
        await all_have_begun.wait()
        yield body[2:]

    async def send_all() -> list[httpx.Response]:
        sending = asyncio.gather(*(sender.put(url(body), content=slowly(body)) for body in bodies))
        return await asyncio.wait_for(sending, PATIENCE_S)

    replies = asyncio.run(send_all())

    assert {reply.status_code for reply in replies} == {201}
    assert all(hub.blobs.exists(hashlib.sha256(body).hexdigest()) for body in bodies)
    assert incoming(hub) == []


def test_two_uploads_of_the_same_bytes_at_once_both_succeed(hub, sender):
    body = b"the same bytes"

    async def send_twice() -> list[httpx.Response]:
        return list(await asyncio.gather(*(sender.put(url(body), content=body) for _ in range(2))))

    replies = asyncio.run(send_twice())

    assert {reply.status_code for reply in replies} <= {200, 201}
    assert hub.blobs.path(hashlib.sha256(body).hexdigest()).read_bytes() == body


def test_an_upload_that_breaks_off_leaves_nothing(hub, sender):
    async def broken() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise ConnectionError("the sender has gone")

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            await sender.put(url(b"whole"), content=broken())

    asyncio.run(send())

    assert not hub.blobs.exists(hashlib.sha256(b"whole").hexdigest())
    assert incoming(hub) == []


def test_bytes_that_are_not_those_announced_are_refused_and_not_kept(hub, sender):
    async def send() -> httpx.Response:
        return await sender.put(url(b"announced"), content=b"sent")

    reply = asyncio.run(send())

    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == "sha256"
    assert incoming(hub) == []


def test_what_a_crash_left_of_an_upload_is_swept_away(hub):
    (hub.settings.dir / "blobs" / "incoming" / "half").write_bytes(b"half")
    whole = hub.blobs.put_bytes(b"whole")

    hub.blobs.sweep()

    assert incoming(hub) == []
    assert hub.blobs.exists(whole)
