"""uvicorn's protocol with quick check-ins in it: on a real socket, in whatever pieces the bytes come."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

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


class Loop:
    """An event loop's clock and timers, moved by hand."""

    def __init__(self):
        self.now, self.timers = 0.0, []

    def time(self):
        return self.now

    def call_later(self, after_s, act):
        timer = asyncio.TimerHandle(self.now + after_s, act, (), self)
        self.timers.append(timer)
        return timer

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, _timer):
        pass

    def run_until(self, moment):
        while due := [timer for timer in self.timers if timer.when() <= moment]:
            timer = min(due)
            self.timers.remove(timer)
            self.now = timer.when()
            if not timer.cancelled():
                timer._run()
        self.now = moment


class Line(asyncio.Transport):
    """What the other side of a connection sees."""

    def __init__(self):
        super().__init__()
        self.written, self.is_closed = b"", False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def line(loop):
    """A connection whose protocol is `line.far`; uvicorn closes it after 5 quiet seconds."""
    config = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)
    config.load()
    state, line = ServerState(), Line()
    state.default_headers = [(b"date", b"first")]
    line.far = protocol_of(quick)(config=config, server_state=state, app_state={}, _loop=loop)
    line.far.connection_made(line)
    return line


def test_a_line_is_closed_once_it_was_quiet_for_long(loop, line):
    for moment in (0.0, 3.0, 6.0):
        loop.run_until(moment)
        line.far.data_received(request())

    loop.run_until(10.9)
    assert not line.is_closed
    loop.run_until(11.1)
    assert line.is_closed


def test_a_line_is_not_closed_while_a_check_in_is_on_its_way(loop, line):
    whole = request()
    line.far.data_received(whole)
    loop.run_until(3.0)
    line.far.data_received(whole[:50])

    loop.run_until(60.0)
    assert not line.is_closed
    line.far.data_received(whole[50:])
    loop.run_until(64.9)
    assert not line.is_closed
    loop.run_until(70.0)
    assert line.is_closed


def test_a_line_has_one_timer_however_many_check_ins_are_answered(loop, line):
    for _ in range(100):
        line.far.data_received(request())

    assert len(loop.timers) == 1


def test_a_line_that_its_device_has_closed_is_left_alone(loop, line):
    line.far.data_received(request())
    line.far.connection_lost(None)

    loop.run_until(60.0)
    assert loop.timers == []


def test_an_answer_bears_the_date_of_its_second(line):
    line.far.data_received(request())
    line.far.server_state.default_headers = [(b"date", b"second")]
    line.far.data_received(request())

    first, second = line.written.split(b"\r\n\r\n")[:2]
    assert (first, second) == (
        b"HTTP/1.1 304 Not Modified\r\ndate: first",
        b"HTTP/1.1 304 Not Modified\r\ndate: second",
    )
