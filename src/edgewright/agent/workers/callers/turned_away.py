"""Callers for whom there is no worker now: each is told so in one fixed answer, and when to come again.

Nothing of a request is parsed here. A caller is answered when his request begins to arrive, since many clients do not
read before they have written, and is let go a moment later, so that he can read.
"""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from edgewright.contract.errors import ErrorBody, ErrorReply

PATIENCE_S = 5.0
LINGER_S = 0.5
MAX_CALLERS = 64
_READ_BYTES = 64 * 1024


@dataclass
class _Caller:
    connection: socket.socket
    answer: bytes
    until_s: float
    is_answered: bool = False


class TurnedAway:
    """At most 64 at a time; who comes beyond waits in the backlog."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._callers: list[_Caller] = []

    @property
    def has_room(self) -> bool:
        """Whether one more can be taken."""
        return len(self._callers) < MAX_CALLERS

    def take(self, connection: socket.socket, reason: str, retry_after_s: float) -> None:
        """Tell this caller why not, and when to come again."""
        until_s = self._monotonic() + PATIENCE_S
        self._callers.append(_Caller(connection, unavailable(reason, retry_after_s), until_s))

    def waits_on(self) -> list[int]:
        """Those who have not sent their request yet."""
        return [caller.connection.fileno() for caller in self._callers if not caller.is_answered]

    def turn(self) -> float:
        """Answer those who have asked, let go of those who are done; the seconds until somebody is to be let go."""
        now = self._monotonic()
        for caller in self._callers:
            if not caller.is_answered and _has_asked(caller.connection):
                with contextlib.suppress(OSError):
                    caller.connection.send(caller.answer)
                    caller.connection.shutdown(socket.SHUT_WR)
                caller.is_answered, caller.until_s = True, now + LINGER_S
        for caller in [caller for caller in self._callers if caller.until_s <= now]:
            caller.connection.close()
            self._callers.remove(caller)
        return min((caller.until_s - now for caller in self._callers), default=math.inf)

    def close(self) -> None:
        """Let go of all."""
        for caller in self._callers:
            caller.connection.close()
        self._callers.clear()


def unavailable(reason: str, retry_after_s: float) -> bytes:
    """503 with Retry-After (RFC 9110, 15.6.4 and 10.2.3), and the project's JSON body of an error."""
    reply = ErrorReply(ErrorBody(code="model_unavailable", message=reason, hint="Ask again after Retry-After seconds."))
    body = msgspec.json.encode(reply)
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Retry-After: {max(1, math.ceil(retry_after_s))}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


def _has_asked(connection: socket.socket) -> bool:
    """Whether something came, or he has gone."""
    try:
        connection.recv(_READ_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
