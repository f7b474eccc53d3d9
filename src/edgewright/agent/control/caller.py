"""One who has called the agent: his line comes, goes to whoever fulfils wishes, and the answer goes back."""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Callable
from concurrent.futures import Future

from edgewright.agent.control.wishes import MAX_WISH_BYTES, Wish, decode_wish, encode_answer, encode_error
from edgewright.agent.system import Bell
from edgewright.contract.errors import EdgewrightError, HostileInput

PATIENCE_S = 10.0
RETRY_S = 0.05


class Caller:
    """Reads at most one wish, and writes at most one answer. `answered` is rung when there is one."""

    def __init__(
        self, line: socket.socket, fulfil: Callable[[Wish], Future[object]], answered: Bell, *, ends_at: float
    ) -> None:
        self._line = line
        self._fulfil = fulfil
        self._answered = answered
        self._ends_at = ends_at
        self._heard = b""
        self._future: Future[object] | None = None
        self._to_say: bytes | None = None
        self.is_done = False

    @property
    def is_speaking(self) -> bool:
        """Whether his line is still to come."""
        return self._future is None and self._to_say is None

    def fileno(self) -> int:
        """What can be read when he speaks."""
        return self._line.fileno()

    def wait_s(self, now: float) -> float:
        """Seconds until the next turn is due; infinity while his wish is being fulfilled."""
        if self._to_say is not None:
            return RETRY_S
        return math.inf if self._future is not None else max(0.0, self._ends_at - now)

    def answer(self, line: bytes) -> None:
        """Say this, and nothing more."""
        self._to_say = line

    def turn(self, now: float) -> None:
        """Hear, or answer, as far as it goes without waiting."""
        if self.is_speaking:
            self._hear()
        if self._future is not None and self._to_say is None and self._future.done():
            self._to_say = _line_of(self._future)
            self._ends_at = now + PATIENCE_S
        if self._to_say is not None:
            self._say(self._to_say)
        if now >= self._ends_at and (self._future is None or self._to_say is not None):
            self.is_done = True

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._line.close()

    def _hear(self) -> None:
        try:
            data = self._line.recv(MAX_WISH_BYTES + 1)
        except BlockingIOError:
            return
        except OSError:
            self.is_done = True
            return
        self._heard += data
        line, newline, _ = self._heard.partition(b"\n")
        if newline:
            self._take(line)
        elif len(self._heard) > MAX_WISH_BYTES:
            self._to_say = encode_error(HostileInput(f"a wish has at most {MAX_WISH_BYTES} bytes", field="wish"))
        elif not data:
            self.is_done = True

    def _take(self, line: bytes) -> None:
        try:
            self._future = self._fulfil(decode_wish(line))
        except EdgewrightError as error:
            self._to_say = encode_error(error)
        else:
            self._future.add_done_callback(lambda _: self._answered.ring())

    def _say(self, line: bytes) -> None:
        try:
            sent = self._line.send(line, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError:
            self.is_done = True
            return
        self._to_say = line[sent:]
        self.is_done = sent == len(line)


def _line_of(future: Future[object]) -> bytes:
    error = future.exception()
    return encode_answer(future.result()) if error is None else encode_error(error)
