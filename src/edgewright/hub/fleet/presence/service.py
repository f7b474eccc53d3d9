"""The device's side of the fleet: nonces, sessions, signed batches, what is reported, and when each was heard of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from edgewright.contract import httpsig
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import NotAllowed
from edgewright.contract.report import CheckIn, NonceReply
from edgewright.hub.commits import GroupCommit
from edgewright.hub.db import Database
from edgewright.hub.events import Event, Events
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import ENDED, Seen, UnknownDevice, check_admitted, check_check_in
from edgewright.hub.fleet.presence.heartbeats import Heartbeats
from edgewright.hub.fleet.presence.memory import Memory
from edgewright.hub.fleet.presence.news import BEGAN, Act, Hear, Learn, News, Told
from edgewright.hub.fleet.presence.nonces import Nonces
from edgewright.hub.fleet.presence.sessions import Opened, Sessions
from edgewright.hub.fleet.reported import save

SHUTTING = ("fleet.revoked", "fleet.retired", "fleet.rejected", "fleet.quarantined", "fleet.replaced")
"""Events after which a device's session is looked up anew: `subject` is the device."""

Headers = Mapping[str, str]


class Signed(NamedTuple):
    """A request whose signature was checked: the device that signed it, and its nonce, which is not burnt yet."""

    device: str
    nonce: str


class Presence:
    """What the doors of devices need of the fleet. Signed requests come as method, path, headers and exact body."""

    def __init__(
        self,
        db: Database,
        commits: GroupCommit,
        events: Events,
        token_bytes: Callable[[int], bytes],
        nonce_key: bytes | None,
        learn: Learn,
        hear: Hear,
    ) -> None:
        self._db = db
        self._commits = commits
        self._nonces = Nonces(token_bytes, nonce_key)
        self.memory = Memory()
        self.sessions = Sessions(db, self.memory, token_bytes)
        self.heartbeats = Heartbeats(db, self.memory)
        self._news = News(events, learn, hear)
        events.watch(SHUTTING, self._on_shut_out)
        events.watch((BEGAN,), self._on_began)

    def nonce(self, now: float) -> NonceReply:
        """A nonce for one signed request within its time."""
        return self._nonces.issue(now)

    def burn(self, connection: sa.Connection, nonce: str, now: float) -> None:
        """Use `nonce` up in this transaction; raises StaleNonce."""
        self._nonces.burn(connection, nonce, now)

    def verify_session(self, headers: Headers, body: bytes, method: str, path: str, now: float) -> Signed:
        """Who asks for a session; raises UnknownDevice, DeviceShutOut, StaleNonce, NotAllowed, HostileInput."""
        params = httpsig.parse(headers)
        self._nonces.check(params.nonce, now)
        self._verify(params.keyid, headers, body, method, path)
        return Signed(params.keyid, params.nonce)

    def open_session(self, connection: sa.Connection, signed: Signed, now: float) -> Opened:
        """Burn the nonce and keep a new session, in this transaction. Once committed, `sessions.remember` it."""
        self._nonces.burn(connection, signed.nonce, now)
        return self.sessions.open(connection, signed.device, now)

    def verify_batch(self, device: str, headers: Headers, body: bytes, method: str, path: str) -> None:
        """Check that `device`, whose session this is, has signed this batch; raises NotAllowed, HostileInput.

        Any nonce will do: a batch that is played again holds record ids that are known already.
        """
        if httpsig.parse(headers).keyid != device:
            raise NotAllowed("a batch is signed by the device whose session it uses", field="keyid")
        self._verify(device, headers, body, method, path)

    def check_in(self, device: str, check_in: CheckIn, now: float) -> None:
        """Keep what a device reports of itself; cheap where nothing has changed. Raises HostileInput, Busy."""
        check_check_in(check_in)
        row, told = self.memory.row(device), told_hash(check_in)
        if self.memory.reported[row] != told:
            self._commits.do(lambda connection: save(connection, device, check_in, now))
            self.memory.reported[row] = told
        if self.heartbeats.note(row, check_in.backlog, now):
            self.heartbeats.flush()

    def news_of(self, told: Sequence[Told], now: float) -> list[Act | None]:
        """For each check-in what has to be committed beyond its heartbeat; None where the tables say it already."""
        with self._db.read() as connection:
            return self._news.of(connection, told, now)

    def newest(self, device: str, saved: Seen) -> Seen:
        """The heartbeat in memory where it is newer than the `saved` one, which may be another hub's."""
        here = self.memory.seen(device)
        return here if here is not None and (saved.at is None or (here.at or 0.0) >= saved.at) else saved

    def start(self, now: float) -> int:
        """Remember the sessions that a previous life of the hub has opened; returns how many."""
        return self.sessions.load(now)

    def _on_began(self, event: Event) -> None:
        row = self.memory.find(event.subject)
        if row is not None:
            self.memory.reported[row] = 0

    def _on_shut_out(self, event: Event) -> None:
        self.sessions.forget(event.subject)

    def _verify(self, device: str, headers: Headers, body: bytes, method: str, path: str) -> None:
        columns = (table.device.c.public_key, table.device.c.state)
        with self._db.read() as connection:
            row = connection.execute(sa.select(*columns).where(table.device.c.id == device)).first()
        if row is None:
            raise UnknownDevice(f"device '{device}' is not enrolled here", field="keyid")
        httpsig.verify(method, path, body, headers, DevicePublicKey(row.public_key))
        if row.state in ENDED:
            check_admitted(device, row.state)


def told_hash(check_in: CheckIn) -> int:
    """Differs where a device reports anything else of itself, but for its heartbeat; never 0."""
    return hash((check_in.models, check_in.pace, check_in.deferrals)) or 1


def lives_hash(life: str) -> int:
    """A number for one life of an agent; 0 for an agent that tells none."""
    return hash(life) or 1 if life else 0
