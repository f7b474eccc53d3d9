"""What a rehearsed device says to its hub: sessions, check-ins and reports, signed as agents sign them."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent import states, trust
from edgewright.agent.states import ModelRecord
from edgewright.contract import httpsig
from edgewright.contract import order as orders
from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import Unreachable
from edgewright.contract.order import Order
from edgewright.contract.report import Batch, CheckIn, InstallReport, ModelState, NonceReply, Pace, SessionReply
from edgewright.contract.trusted import TrustedSet
from edgewright.contract.wire import read_json
from edgewright.hub.rehearsals.question import DeviceFact
from edgewright.sim.world.agenda import Agenda
from edgewright.sim.world.hub import SimHub

API = "/device/v1"
SKEW_S = 60.0


@dataclass(frozen=True)
class Line:
    """The hub at the other end, and whom devices trust to be it."""

    hub: SimHub
    agenda: Agenda
    trusted: Callable[[], TrustedSet]


class Talk:
    """One device's. Raises Unreachable where the hub is too busy, or refuses."""

    def __init__(self, line: Line, fact: DeviceFact, chance: random.Random) -> None:
        self.key = SoftKey(Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)))
        self._line = line
        self._device = fact.id
        self._pace = Pace(
            download_bytes_s=fact.download_bytes_s, request_s=fact.request_s, apply_bytes_s=fact.apply_bytes_s
        )
        self._chance = chance
        self._life = chance.randbytes(8).hex()
        self._turn = 0
        self._token = ""
        self._order: Order | None = None

    def check_in(self, records: Collection[ModelRecord]) -> Order | None:
        """Say what is here; the new order, or None where the last one still holds."""
        now, last = self._line.agenda.now, self._order
        age_s = now - last.issued_at if last else 0.0
        is_alive = last is not None and age_s <= last.ttl_s
        self._turn += 1
        said = CheckIn(
            nonce=self._chance.randbytes(12).hex(),
            models=tuple(_state(record) for record in records),
            etag=orders.etag(last) if last is not None and is_alive else "",
            order_age_s=age_s if is_alive else 0.0,
            pace=self._pace,
            life=self._life,
            turn=self._turn,
        )
        status, body = self._in_session("/checkin", msgspec.json.encode(said))
        if status != 200:
            return None
        trusted = self._line.trusted()
        self._order = trust.read_order(body, trusted, device=self._device, nonce=said.nonce, now=now, skew_s=SKEW_S)
        return self._order

    def send(self, report: InstallReport) -> None:
        """Hand a report over."""
        self._in_session("/batch", msgspec.msgpack.encode(Batch(records=(report,))), is_signed=True)

    def _in_session(self, door: str, body: bytes, *, is_signed: bool = False) -> tuple[int, bytes]:
        for _ in range(2):
            if not self._token:
                self._token = self._open_session()
            headers = {"authorization": f"Bearer {self._token}"}
            if is_signed:
                headers |= self._signature(door, body, "n")
            said = self._line.hub.ask("POST", API + door, headers, body)
            if said.status != 401:
                break
            self._token = ""
        if said.status not in (200, 304):
            raise Unreachable(f"the hub says {said.status}: {said.body[:200]!r}")
        return said.status, said.body

    def _open_session(self) -> str:
        nonce = read_json(self._line.hub.ask("POST", f"{API}/nonce", {}, b"").body, NonceReply, "a nonce").nonce
        headers = self._signature("/session", b"{}", nonce)
        said = self._line.hub.ask("POST", f"{API}/session", headers, b"{}")
        if said.status != 200:
            raise Unreachable(f"the hub says {said.status}: {said.body[:200]!r}")
        return read_json(said.body, SessionReply, "a session").token

    def _signature(self, door: str, body: bytes, nonce: str) -> dict[str, str]:
        created = int(self._line.agenda.now)
        return httpsig.sign("POST", API + door, body, key=self.key, keyid=self._device, nonce=nonce, created=created)


def _state(record: ModelRecord) -> ModelState:
    active, candidate = states.active_slot(record), record.candidate
    return ModelState(
        model=record.model,
        version=active.version if active else 0,
        counter=active.counter if active else 0,
        manifest_sha256=active.manifest_sha256 if active else "",
        step=record.step,
        candidate_counter=candidate.install.counter if candidate else 0,
        held_manifests=states.held_manifests(record),
    )
