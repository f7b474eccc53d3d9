"""uvicorn's protocol with quick check-ins in it: on a real socket, in whatever pieces the bytes come."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn

from edgewright.contract.errors import NotLoggedIn
from edgewright.hub.web.devices.protocol import MAX_HELD_BYTES, protocol_of
from edgewright.hub.web.devices.wire import NOTHING_NEW, Answer

BODY = b'{"nonce":"n"}'


def request(path="/device/v1/checkin", body=BODY, method="POST", more=""):
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: h\r\nAuthorization: Bearer t\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


def quick(headers, body):
    """Knows one token, and two bodies."""
    if (b"authorization", b"Bearer t") not in headers:
        raise NotLoggedIn("who?")
    return {BODY: NOTHING_NEW, b"fresh": Answer(200, b"signed")}.get(body)


async def app(scope, receive, send):
    """The usual way: says what came."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    told = f"{scope['method']} {scope['path']} {len(body)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


async def _talk(pieces, count):
    config = uvicorn.Config(app, port=0, http=protocol_of(quick), lifespan="off", log_level="error", access_log=False)
    server, socket = uvicorn.Server(config), config.bind_socket()
    socket.listen()
    serving = asyncio.ensure_future(server.serve(sockets=[socket]))
    reader, writer = await asyncio.open_connection(*socket.getsockname())
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answers = [await _answer(reader) for _ in range(count)]
    writer.close()
    server.should_exit = True
    await serving
    return answers


async def _answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
    body = await reader.readexactly(length)
    assert "\r\ndate: " in head
    return int(head.split()[1]), body.decode()


@pytest.fixture
def talk():
    """Send pieces on one connection; so many answers."""
    return lambda *pieces, count=None: asyncio.run(_talk(pieces, len(pieces) if count is None else count))


USUAL = (200, f"POST /device/v1/checkin {len(BODY)}")


def test_check_ins_on_one_connection_are_answered_one_after_the_other(talk):
    assert talk(request(), request(body=b"fresh"), request()) == [(304, ""), (200, "signed"), (304, "")]


def test_bytes_may_come_in_any_pieces(talk):
    whole = request()

    assert talk(whole[:9], whole[9:-3], whole[-3:], count=1) == [(304, "")]


def test_what_memory_cannot_answer_goes_the_usual_way_whole(talk):
    assert talk(request(body=b"new report")) == [(200, "POST /device/v1/checkin 10")]


def test_requests_that_are_sent_together_are_answered_in_their_order(talk):
    together = request() + request(body=b"new report") + request() + request("/health", b"", "GET")

    answers = talk(together, count=4)

    assert answers == [(304, ""), (200, "POST /device/v1/checkin 10"), USUAL, (200, "GET /health 0")]


def test_a_long_body_is_not_held_back(talk):
    assert talk(request(body=b"x" * (MAX_HELD_BYTES + 5))) == [(200, f"POST /device/v1/checkin {MAX_HELD_BYTES + 5}")]


@pytest.mark.parametrize(
    "asked",
    [
        request(method="PUT"),
        request(path="/device/v1/checkin?x=1"),
        request().replace(b"Bearer t", b"Bearer x"),
        request(more="connection: close\r\n"),
    ],
    ids=["another method", "a query", "no session", "the last on its connection"],
)
def test_whatever_is_not_quite_a_check_in_goes_the_usual_way(talk, asked):
    (answer,) = talk(asked)

    assert answer[0] == 200
    assert answer[1].endswith(str(len(BODY)))
