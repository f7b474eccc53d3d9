"""How long the other side may take: no silence, no trickle, and no talk without an end, however its bytes come.

A socket's own timeout begins again with every byte, so a byte every few seconds holds a device for ever. Here every
wait for bytes is spent from one account, which each byte fills up a little.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from edgewright.agent.link.line.odometer import Meter, Uncounted
from edgewright.agent.link.line.tls import Tls
from edgewright.contract.errors import Unreachable

T = TypeVar("T")


class TooSlow(Unreachable):
    """The other side sends nothing, or so little that it might as well send nothing."""

    code = "too_slow"
    hint = "The link may be bad; the agent tries again. `timeout_s`, `min_bytes_s` and `talk_s` say what is too slow."


@dataclass(frozen=True)
class Patience:
    """What a device puts up with: `silence_s` without a byte, and on average no less than `min_bytes_s` a second.

    `monotonic` is a clock in seconds. Only waiting counts: what the device itself takes to use the bytes does not.
    `tls` says whom it takes for the other side, and `meter` hears what crosses the line.
    """

    silence_s: float
    min_bytes_s: float
    monotonic: Callable[[], float]
    tls: Tls = field(default_factory=Tls)
    meter: Meter = field(default_factory=Uncounted)

    def begin(self, ends_at: float = math.inf) -> Deadline:
        """The account of one answer, which besides must be whole at `ends_at` on the clock."""
        return Deadline(self, ends_at)


class Deadline:
    """One answer's account of waiting: `silence_s` at first and at most; each byte earns 1 / `min_bytes_s` seconds."""

    def __init__(self, patience: Patience, ends_at: float) -> None:
        self._patience = patience
        self._ends_at = ends_at
        self._account_s = patience.silence_s

    def receive(self, connection: socket.socket, read: Callable[[], int | None]) -> int | None:
        """Let `read` take bytes from the connection, and charge what it waited; raises TooSlow when that is too long.

        Returns what `read` does: how many bytes there were.
        """
        began = self._patience.monotonic()
        connection.settimeout(self._left_s(began, self._account_s))
        try:
            count = read()
        except TimeoutError as error:
            raise TooSlow("the other side was silent for too long") from error
        self._account_s -= self._patience.monotonic() - began
        self._left_s(began, self._account_s)
        self._account_s = min(self._patience.silence_s, self._account_s + (count or 0) / self._patience.min_bytes_s)
        return count

    def send(self, connection: socket.socket, data: bytes) -> None:
        """Hand all of `data` over, no slower than bytes may come; raises TooSlow."""
        time_s = self._patience.silence_s + len(data) / self._patience.min_bytes_s
        connection.settimeout(self._left_s(self._patience.monotonic(), time_s))
        try:
            connection.sendall(data)
        except TimeoutError as error:
            raise TooSlow("the other side takes our bytes too slowly") from error

    def spend(self, act: Callable[[float], T]) -> T:
        """Let `act`, which comes before the first byte, take as many seconds as it is told; raises TooSlow."""
        try:
            return act(self._left_s(self._patience.monotonic(), self._patience.silence_s))
        except TimeoutError as error:
            raise TooSlow("the other side was silent for too long") from error

    def lift_end(self) -> None:
        """From here on only the rate counts: what follows is long, and its length is known."""
        self._ends_at = math.inf

    def _left_s(self, now: float, account_s: float) -> float:
        left_s = min(account_s, self._ends_at - now)
        if left_s <= 0:
            raise TooSlow("the other side sends too little for too long")
        return left_s
