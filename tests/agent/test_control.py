"""The socket through which people give orders to a running agent."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest
from descriptors import no_descriptor_left
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agent.control import ControlServer, Flush, Live, NoAgent, RollBack, Wish, ask
from edgewright.agent.control.client import Refused
from edgewright.agent.control.server import MAX_CALLERS
from edgewright.agent.control.wishes import MAX_WISH_BYTES, decode_wish
from edgewright.contract.errors import EdgewrightError, HostileInput, NotFound


class Keeping:
    """A keeper with one part, on a thread; wishes wait in `wishes` until the test fulfils them."""

    def __init__(self, root: Path) -> None:
        self.now_s = 0.0
        self.wishes: list[tuple[Wish, Future[object]]] = []
        self.server = ControlServer(root / "run", self.fulfil, lambda: time.monotonic() + self.now_s)
        self.is_over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def fulfil(self, wish: Wish) -> Future[object]:
        future: Future[object] = Future()
        self.wishes.append((wish, future))
        if isinstance(wish, RollBack):
            future.set_exception(NotFound(f"no model {wish.model}", field="model", hint="Look again."))
        elif isinstance(wish, Live):
            future.set_result({"pid": os.getpid()})
        return future

    def run(self) -> None:
        while not self.is_over:
            due_s = self.server.turn()
            select.select(list(self.server.waits_on()), [], [], min(due_s, 0.05))

    def close(self) -> None:
        self.is_over = True
        self.thread.join()
        self.server.close()


@pytest.fixture
def agent(tmp_path) -> Iterator[Keeping]:
    keeping = Keeping(tmp_path)
    yield keeping
    keeping.close()


def call(root: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(10)
    line.connect(str(root / "run" / "agent.sock"))
    return line


def test_a_wish_is_answered(agent, tmp_path):
    assert ask(tmp_path, Live(), dict[str, int]) == {"pid": os.getpid()}


def test_a_refusal_keeps_its_code_exit_code_and_hint(agent, tmp_path):
    with pytest.raises(Refused) as caught:
        ask(tmp_path, RollBack(model="defects"), dict)

    told = caught.value
    assert (told.code, told.exit_code, told.field, told.hint) == ("not_found", 2, "model", "Look again.")


def test_answers_come_when_they_are_ready_and_hold_up_nobody(agent, tmp_path):
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(tmp_path, Flush(), str)))
    waiting.start()
    while not agent.wishes:
        time.sleep(0.005)

    assert ask(tmp_path, Live(), dict) == {"pid": os.getpid()}
    assert answers == []
    agent.wishes[0][1].set_result("sent")
    waiting.join(5)

    assert answers == ["sent"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"null",
        b"[" * 10_000,
        b'{"wish":"format_disk"}',
        b'{"wish":"roll_back","model":"../../etc"}',
        b'{"wish":"roll_back","model":"a","and":"b"}',
        b'{"wish":"roll_back","model":"a","reason":"' + b"x" * 600 + b'"}',
        b'{"wish":"import_bundle","folder":"stick"}',
        b'{"wish":"import_bundle","folder":"/a\\u0000b"}',
    ],
)
def test_what_is_no_wish_is_refused_and_the_agent_goes_on(agent, tmp_path, line):
    with call(tmp_path) as caller:
        caller.sendall(line + b"\n")
        answer = msgspec.json.decode(caller.recv(65536))

    assert answer["error"]["code"] == "hostile_input"
    assert ask(tmp_path, Live(), dict)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_wish_or_hostile(line):
    with contextlib.suppress(HostileInput):
        decode_wish(line)


def test_an_endless_line_is_cut_off(agent, tmp_path):
    with call(tmp_path) as caller:
        caller.sendall(b"x" * (MAX_WISH_BYTES + 1))

        assert b"at most" in caller.recv(65536)


def test_callers_who_say_nothing_are_left_and_the_others_heard(agent, tmp_path):
    silent = [call(tmp_path) for _ in range(MAX_CALLERS + 3)]
    time.sleep(0.1)
    agent.now_s = 60.0

    assert ask(tmp_path, Live(), dict, timeout_s=5)
    for line in silent:
        line.close()


def test_who_hangs_up_before_his_answer_harms_nobody(agent, tmp_path):
    with call(tmp_path) as caller:
        caller.sendall(b'{"wish":"flush"}\n')
    while not agent.wishes:
        time.sleep(0.005)
    agent.wishes[0][1].set_result("sent")

    assert ask(tmp_path, Live(), dict)


def test_who_does_not_read_is_left(agent, tmp_path):
    with call(tmp_path) as caller:
        caller.sendall(b'{"wish":"flush"}\n')
        while not agent.wishes:
            time.sleep(0.005)
        agent.wishes[0][1].set_result("x" * 3_000_000)
        time.sleep(0.1)
        agent.now_s = 60.0
        time.sleep(0.1)

        assert agent.server.turn() == math.inf


def test_the_socket_is_closed_to_other_users(agent, tmp_path):
    assert (tmp_path / "run" / "agent.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_where_he_reaches_the_socket(agent, tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)
    (tmp_path / "run" / "agent.sock").chmod(0o666)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            ask(tmp_path, Live(), dict)
            told = "answered"
        except EdgewrightError as error:
            told = error.code
        os.write(writing, told.encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 100) == b"not_allowed"


def test_without_an_agent_the_cure_is_named(tmp_path):
    with pytest.raises(NoAgent) as caught:
        ask(tmp_path, Live(), dict)

    assert caught.value.exit_code == 3
    assert "edgewright-agent run" in caught.value.hint


def test_a_socket_that_a_former_agent_left_is_replaced(tmp_path):
    first = Keeping(tmp_path)
    first.is_over = True
    first.thread.join()

    second = Keeping(tmp_path)

    assert ask(tmp_path, Live(), dict)
    second.close()
    with pytest.raises(NoAgent):
        ask(tmp_path, Live(), dict)


def test_a_caller_for_whom_there_is_no_descriptor_does_not_keep_the_agent_awake(tmp_path):
    now = [0.0]
    server = ControlServer(tmp_path / "run", lambda wish: Future(), lambda: now[0])
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(tmp_path / "run" / "agent.sock"))

    with no_descriptor_left():
        again_s = server.turn()
        deaf = len(list(server.waits_on()))
    now[0] += again_s
    hearing = len(list(server.waits_on()))
    server.turn()

    assert 0 < again_s <= 1.0
    assert (deaf, hearing, len(list(server.waits_on()))) == (1, 2, 3)
    client.close()
    server.close()
