"""Asking a running agent."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TypeVar

import msgspec

from edgewright.agent.control.server import SOCKET
from edgewright.agent.control.wishes import MAX_ANSWER_BYTES, Answer, Wish
from edgewright.contract.errors import EdgewrightError, ErrorBody, HostileInput, NotAllowed, Unreachable

T = TypeVar("T")


class NoAgent(Unreachable):
    """No agent runs on this folder."""

    code = "no_agent"
    hint = "Start it: systemctl start edgewright-agent, or `edgewright-agent run --dir DIR`."


class Refused(EdgewrightError):
    """The agent refuses, or fails; with its own code and exit code."""

    def __init__(self, body: ErrorBody, exit_code: int) -> None:
        super().__init__(body.message, field=body.field, hint=body.hint)
        self.code = body.code  # type: ignore[misc]
        self.exit_code = exit_code  # type: ignore[misc]


def ask(root: Path, wish: Wish, kind: type[T], timeout_s: float | None = 30.0) -> T:
    """What the agent on this folder answers, as a `kind`; None waits for as long as it takes.

    Raises NoAgent where none runs, NotAllowed for who may not, Unreachable where the answer does not come in time,
    HostileInput where it is none, and what the agent refuses with.
    """
    with _call(root, timeout_s) as line:
        try:
            with contextlib.suppress(ConnectionError):  # it may have refused already
                line.sendall(msgspec.json.encode(wish) + b"\n")
            data = _read_line(line)
        except OSError as error:
            hint = "`edgewright-agent logs` may say why."
            raise Unreachable(f"the agent does not answer: {error}", hint=hint) from error
    try:
        answer = msgspec.json.decode(data, type=Answer)
        if answer.error is None:
            return msgspec.json.decode(answer.result, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"the agent's answer is none: {error}") from error
    raise Refused(answer.error, answer.exit_code)


def _call(root: Path, timeout_s: float | None) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(timeout_s)
    try:
        folder = os.open(root / "run", os.O_PATH | os.O_DIRECTORY)
        try:
            line.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)
    except PermissionError as error:
        line.close()
        hint = "Ask as root (sudo), or as the agent's user."
        raise NotAllowed(f"you may not talk to the agent on {root}", field="dir", hint=hint) from error
    except OSError as error:
        line.close()
        raise NoAgent(f"no agent runs on {root}", field="dir") from error
    return line


def _read_line(line: socket.socket) -> bytes:
    heard = bytearray()
    while not heard.endswith(b"\n"):
        if len(heard) > MAX_ANSWER_BYTES:
            raise HostileInput(f"the agent's answer is longer than {MAX_ANSWER_BYTES} bytes")
        chunk = line.recv(64 * 1024)
        if not chunk:
            raise ConnectionError("it hung up")
        heard += chunk
    return bytes(heard)
