"""The agent's end of its socket: a part of the keeper's loop that never waits for anybody.

Wishes go to `fulfil`, which returns at once; their answers are sent when they come. Who may not ask is told so; who
does not finish his line, or does not read, is left.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

from edgewright.agent.control.caller import PATIENCE_S, Caller
from edgewright.agent.control.wishes import Wish, encode_error
from edgewright.agent.system import Bell, logs
from edgewright.agent.system.parts import DEAF_S, SHORTAGES
from edgewright.contract.errors import NotAllowed

SOCKET = "agent.sock"
MAX_CALLERS = 8
BACKLOG = 64
_CREDENTIALS = struct.Struct("3i")  # unix(7), SO_PEERCRED: pid, uid, gid
_NEW = ".agent.new"


class ControlServer:
    """A Part. Raises OSError where DIR/run cannot have a socket."""

    def __init__(self, folder: Path, fulfil: Callable[[Wish], Future[object]], monotonic: Callable[[], float]) -> None:
        self._path = folder / SOCKET
        self._fulfil = fulfil
        self._monotonic = monotonic
        self._answered = Bell()  # rung by whichever thread has fulfilled a wish
        self._callers: list[Caller] = []
        self._deaf_until = -math.inf
        self._listener = _listen(folder)

    def waits_on(self) -> Iterable[int]:
        """New callers, lines that come, answers that are ready."""
        if len(self._callers) < MAX_CALLERS and self._monotonic() >= self._deaf_until:
            yield self._listener.fileno()
        yield self._answered.fileno()
        for caller in self._callers:
            if caller.is_speaking:
                yield caller.fileno()

    def turn(self) -> float:
        """Hear, ask, answer; seconds until somebody's time is up."""
        self._answered.hush()
        while len(self._callers) < MAX_CALLERS and (caller := self._accept()) is not None:
            self._callers.append(caller)
        now = self._monotonic()
        for caller in self._callers:
            caller.turn(now)
        for caller in [caller for caller in self._callers if caller.is_done]:
            caller.close()
            self._callers.remove(caller)
        deaf_s = self._deaf_until - now
        return min([deaf_s if deaf_s > 0 else math.inf, *(caller.wait_s(now) for caller in self._callers)])

    def close(self) -> None:
        """Let everybody go."""
        for caller in self._callers:
            caller.close()
        self._callers.clear()
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        self._listener.close()
        # The bell stays: a wish that is fulfilled later still rings it.

    def _accept(self) -> Caller | None:
        try:
            line, _ = self._listener.accept()
        except OSError as error:  # nobody is there any more, or there is no descriptor for him
            if error.errno in SHORTAGES:
                self._deaf_until = self._monotonic() + DEAF_S
            return None
        line.setblocking(False)
        pid, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        caller = Caller(line, self._fulfil, self._answered, ends_at=self._monotonic() + PATIENCE_S)
        if uid not in (0, os.geteuid()):
            logs.warn("somebody may not give orders to this agent", pid=pid, uid=uid)
            hint = "Ask as root, or as the agent's user."
            caller.answer(encode_error(NotAllowed(f"the agent takes no wishes from user {uid}", hint=hint)))
        return caller


def _listen(folder: Path) -> socket.socket:
    """The socket, in the place of one that a former agent has left: only one agent works on a folder."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        new = f"/proc/self/fd/{fd}/{_NEW}"  # unix(7): an address has at most 108 bytes
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        listener.bind(new)
        os.chmod(new, 0o600)
        listener.listen(BACKLOG)
        os.rename(new, folder / SOCKET)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(fd)
    return listener
