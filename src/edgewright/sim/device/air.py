"""What lies between a device and its hub: requests that get lost, answers that do, lines that are cut, slow or both."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from edgewright.agent.link import Link, Patience
from edgewright.agent.link.line import raise_for_hub
from edgewright.contract.devicekey import DeviceKey
from edgewright.contract.errors import EdgewrightError, HostileInput, Unreachable
from edgewright.sim.world.agenda import Agenda
from edgewright.sim.world.doors import Said

CHUNK_BYTES = 512
HUB = "http://hub"
LATEST_S = 600.0  # that a request may be on its way


Tamper = Callable[[str, bytes, Said], Said]
"""What somebody on the line makes of an answer, given the request's path and body."""


@dataclass
class Weather:
    """What the line is like now. Shares are of all requests."""

    is_cut: bool = False
    lost: float = 0.0  # requests that never arrive
    unanswered: float = 0.0  # requests that arrive, and whose answer does not
    doubled: float = 0.0  # requests that arrive a second time, some of them much later than others
    bytes_s: float = 1e6


class Hub(Protocol):
    """Whoever answers a device's requests."""

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, client: str) -> Said:
        """An answer; raises Unreachable. `client` is the sender's address."""
        ...


class Air:
    """One device's line. A turn of its agent takes no virtual time; what its bytes would have taken is owed."""

    def __init__(self, hub: Hub, agenda: Agenda, random: random.Random, address: str) -> None:
        self.weather = Weather()
        self.owed_s = 0.0
        self.received_bytes = 0
        self.tamper: Tamper | None = None
        self._hub = hub
        self._agenda = agenda
        self._random = random
        self._address = address

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        """A request and its answer; raises Unreachable where either is lost."""
        weather = self.weather
        if weather.is_cut or self._happens(weather.lost):
            raise Unreachable("the line is cut")
        said = self._hub.ask(method, path, headers, body, self._address)
        if self._happens(weather.doubled):
            self._again(method, path, dict(headers), body)
        if self._happens(weather.unanswered):
            raise Unreachable("the answer was lost")
        if self.tamper is not None:
            said = self.tamper(path, body, said)
        self.owed_s += (len(body) + len(said.body)) / weather.bytes_s
        return said

    def settle(self) -> float:
        """How many seconds the line was busy since the last call."""
        owed, self.owed_s = self.owed_s, 0.0
        return owed

    def _again(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        def repeat() -> None:
            with contextlib.suppress(EdgewrightError):
                self._hub.ask(method, path, headers, body, self._address)

        self._agenda.after(self._random.choice((0.0, self._random.uniform(0.0, LATEST_S))), repeat)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share


class AirLink(Link):
    """The agent's own link, whose requests go through the air instead of a socket. It is a source of blobs, too."""

    def __init__(self, air: Air, key: DeviceKey, device: str, clock: Callable[[], float]) -> None:
        patience = Patience(60.0, 1.0, clock)
        super().__init__(HUB, key, device=device, clock=clock, patience=patience, talk_s=3600.0)
        self._air = air

    @contextlib.contextmanager
    def body(self, sha256: str, offset: int) -> Iterator[Iterator[bytes]]:
        """A blob's bytes from `offset` on; raises Unreachable where the line breaks."""
        headers = {"Range": f"bytes={offset}-"}
        _, data = self._in_session(lambda: self._ask("GET", f"/blobs/{sha256}", b"", headers, 1 << 30))
        self._air.received_bytes += len(data)
        yield (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))

    def disown(self, sha256: str) -> bool:
        """There is no other source."""
        return False

    def _ask(self, method: str, door: str, body: bytes, headers: dict[str, str], max_bytes: int) -> tuple[int, bytes]:
        said = self._air.ask(method, self._path(door), {**self._bearer(), **headers}, body)
        if said.status >= 300 and said.status != 304:
            raise_for_hub(said.status, said.body, said.headers)
        if len(said.body) > max_bytes:
            raise HostileInput(f"the hub's answer to {door} is longer than {max_bytes} bytes")
        return said.status, said.body
