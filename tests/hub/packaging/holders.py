"""People with key rings of their own, a hub whose keys they change, and a device that follows it or sleeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edgewright.agent import trust
from edgewright.agent.link.refresh import Repository as DeviceRepository
from edgewright.agent.link.refresh import load_role, refresh
from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import KeyChangeDraft, KeyChangeRecord, KeyEdit, PublicKey, Role
from edgewright.contract.envelope import seal
from edgewright.contract.order import PAYLOAD_TYPE, Order
from edgewright.contract.trusted import TrustedSet, role_of
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.packaging import Repository
from edgewright.hub.packaging.keychanges import KeyChanges

OTTO = Principal(name="otto", roles=(Role.OPERATOR,))


class Disk(dict[str, bytes]):
    """A device's store, in memory."""

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, data: bytes) -> None:
        self[name] = data


@dataclass
class Device:
    """The device's own client on a hub's files; it moves only when it is asked to."""

    fetch: Callable[[str, int], bytes]
    clock: Callable[[], float]
    disk: Disk = field(default_factory=Disk)

    def enrol(self) -> Device:
        self.disk.write("root.json", self.fetch("1.root.json", 1 << 20))
        return self

    def sees(self, model: str = "") -> TrustedSet:
        """What it believes now, with a model's release role."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        client = DeviceRepository(self.disk, self.fetch)
        trusted = refresh(client, now)
        return load_role(client, trusted, role_of(model), now) if model else trusted

    def obeys(self, envelope: bytes) -> Order:
        """Read an order as the agent does."""
        trusted = self.sees()
        return trust.read_order(envelope, trusted, device="d-1", nonce="n", now=self.clock(), skew_s=60.0)


class Holders:
    """A hub's key changes, and who can sign them: `otto` has all keys of the embedded ceremony."""

    def __init__(self, house) -> None:
        self.house = house
        self.otto: OperatorKeys = house.operator
        self.keys: Keys = house.keys
        self.repository: Repository = house.repository
        self.changes = self._changes()

    def device(self) -> Device:
        return Device(self._fetch, self.house.clock).enrol()

    def change(self, *edits: KeyEdit, online: Sequence[str] = (), renew: bool = False) -> int:
        """Draft a change; returns its number."""
        draft = KeyChangeDraft(edits=edits, online=tuple(online), renew=renew)
        return self.changes.draft(OTTO, draft).change.number

    def sign(self, number: int, *rings: OperatorKeys) -> KeyChangeRecord:
        """Each ring signs what it can and hands it in."""
        record = None
        for ring in rings or (self.otto,):
            payloads = self.changes.signing(number).payloads
            drafts = [draft for payload in payloads for draft in ring.sign(payload)]
            record = self.changes.add_signatures(OTTO, number, drafts)
        assert record is not None
        return record

    def done(self, *edits: KeyEdit, online: Sequence[str] = (), renew: bool = False) -> KeyChangeRecord:
        """Draft a change that otto's keys alone can bring about, and sign it."""
        record = self.sign(self.change(*edits, online=online, renew=renew))
        assert record.state == "published", record
        return record

    def restart(self) -> None:
        """The hub starts again on its folder, as after a crash; the house's other rooms are left behind."""
        folder: Path = self.house.folder
        self.keys = self.house.keys = Keys(folder / "keys")
        self.repository = Repository(folder / "tuf", self.keys.timestamp, self.keys.snapshot)
        self.changes = self._changes()
        self.changes.follow()

    def order(self, signer=None) -> bytes:
        """An order of the director for the device, or of a thief."""
        order = Order(device="d-1", nonce="n", issued_at=self.house.clock(), ttl_s=60.0)
        data = msgspec.json.encode(order, order="deterministic")
        return seal(data, PAYLOAD_TYPE, signer or self.keys.director)

    def _changes(self) -> KeyChanges:
        house = self.house
        house.audit = Audit(house.db, house.clock, self.keys.audit, self.repository.audit_keys)
        return KeyChanges(house.db, house.events, house.audit, house.clock, self.repository, self.keys)

    def _fetch(self, name: str, max_bytes: int) -> bytes:
        data = self.repository.file(name)
        assert len(data) <= max_bytes
        return data


def public(ring: OperatorKeys, name: str) -> PublicKey:
    return next(key.public for key in ring.held() if key.name == name)


def swap(role: str, ring: OperatorKeys, old: str, new: str) -> KeyEdit:
    """One key of a ring in, another out."""
    return KeyEdit(role=role, add=(public(ring, new),), remove=(public(ring, old).keyid,))
