"""The fleet's verbs: claim, enrol, open a session, check in, revoke, group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from edgewright.contract import httpsig
from edgewright.contract.api import (
    ClaimDraft,
    ClaimReply,
    DeviceModel,
    DeviceRecord,
    DeviceState,
    GroupDraft,
    GroupRecord,
)
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import InvalidInput, NotAllowed, NotFound
from edgewright.contract.report import CheckIn, EnrolReply, EnrolRequest, ModelState, NonceReply, Pace, SessionReply
from edgewright.hub.commits import GroupCommit
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import table
from edgewright.hub.fleet.facts import DeviceFacts, read_facts
from edgewright.hub.fleet.lanes import Lanes
from edgewright.hub.fleet.model import (
    CLAIM_PREFIX,
    ENDED,
    TOKEN_BYTES,
    ClaimExpired,
    ClaimUsed,
    Desired,
    DeviceExists,
    GroupExists,
    Seen,
    UnknownClaim,
    check_admitted,
    check_claim_draft,
    check_enrol_request,
    check_group_draft,
    device_id,
    key_sha256,
    matches,
    token,
    token_sha256,
)
from edgewright.hub.fleet.presence import Presence
from edgewright.hub.fleet.reported import Reported, chunks
from edgewright.hub.govern import Audit, Principal

Headers = Mapping[str, str]
DesiredOf = Mapping[str, Mapping[str, Desired]]
"""What is wanted, by device id and model name."""


class Fleet:
    """Devices and groups. Signed requests come as method, path, headers (lower-case names) and exact body bytes."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        root_bytes: Callable[[], bytes],
        token_bytes: Callable[[int], bytes],
        commits: GroupCommit | None = None,
        nonce_key: bytes | None = None,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._root_bytes = root_bytes
        self._token_bytes = token_bytes
        self._commits = commits or GroupCommit(db)
        self.presence = Presence(db, self._commits, events, token_bytes, nonce_key)
        self._reported = Reported(db, self.presence.newest)
        self.lanes = Lanes(db, self.presence.newest)

    def claim(self, principal: Principal, draft: ClaimDraft, dry_run: bool = False) -> ClaimReply:
        """Make one-time claim tokens; they are shown here and never again. A dry run makes none."""
        check_claim_draft(draft)
        now = self._clock()
        expires_at = now + draft.expires_in_s
        if dry_run:
            return ClaimReply(tokens=(), expires_at=expires_at)
        tokens = tuple(token(CLAIM_PREFIX, self._token_bytes(TOKEN_BYTES)) for _ in range(draft.count))
        shared = {"labels": draft.labels, "created_at": now, "created_by": principal.name, "expires_at": expires_at}
        rows = [{"token_sha256": token_sha256(text), **shared} for text in tokens]
        with self._db.write() as connection:
            connection.execute(sa.insert(table.claim), rows)
            self._tell(connection, principal.name, "fleet.claimed", "claim", count=draft.count, labels=draft.labels)
        return ClaimReply(tokens=tokens, expires_at=expires_at)

    def nonce(self) -> NonceReply:
        """A nonce for one signed request within its time."""
        return self.presence.nonce(self._clock())

    def enrol(self, request: EnrolRequest, headers: Headers, body: bytes, method: str, path: str) -> EnrolReply:
        """Make the sender a device of this fleet, and burn its claim, in one transaction.

        `request` is the decoded `body`. The same key with the same claim again (its reply got lost) gives the same
        device. Raises UnknownClaim, ClaimUsed, ClaimExpired, DeviceExists, DeviceRevoked, StaleNonce, HostileInput,
        or NotAllowed where the signature does not hold; none of them uses the claim up.
        """
        check_enrol_request(request)
        now = self._clock()
        params = httpsig.verify(method, path, body, headers, DevicePublicKey(request.public_key))
        if params.keyid != key_sha256(request.public_key):
            raise NotAllowed("an enrolment is signed with the key that it brings", field="keyid")
        root = self._root_bytes()
        with self._db.write() as connection:
            self.presence.burn(connection, params.nonce, now)
            labels = self._enrol(connection, request, now)
        return EnrolReply(device=device_id(request.public_key), root=root, hub_time=now, labels=dict(labels))

    def open_session(self, headers: Headers, body: bytes, method: str, path: str) -> SessionReply:
        """Give the signing device a session token; raises UnknownDevice, DeviceRevoked, StaleNonce, NotAllowed."""
        now = self._clock()
        signed = self.presence.verify_session(headers, body, method, path, now)
        opened = self._commits.do(lambda connection: self.presence.open_session(connection, signed, now))
        return self.presence.sessions.remember(opened)

    def session(self, text: str) -> str:
        """The id of the device whose session token this is; raises SessionEnded, DeviceRevoked."""
        return self.presence.memory.devices[self.presence.sessions.row(text, self._clock())]

    def verify_batch(self, device: str, headers: Headers, body: bytes, method: str, path: str) -> None:
        """Check that `device`, whose session this is, has signed this batch; raises NotAllowed, HostileInput."""
        self.presence.verify_batch(device, headers, body, method, path)

    def check_in(self, device: str, check_in: CheckIn) -> None:
        """Keep what a device reports of itself; cheap where nothing has changed. Raises HostileInput."""
        self.presence.check_in(device, check_in, self._clock())

    def flush(self) -> None:
        """Save heartbeats that are still in memory; called when the hub stops."""
        self.presence.heartbeats.flush(self._clock())

    def devices(self, desired: DesiredOf | None = None) -> list[DeviceRecord]:
        """Every device, by name; `desired` comes from the rollouts."""
        with self._db.read() as connection:
            query = sa.select(table.device).order_by(table.device.c.name, table.device.c.id)
            rows = connection.execute(query).mappings().all()
        states = self._reported.states([row["id"] for row in rows])
        return [self._record(row, states[row["id"]], (desired or {}).get(row["id"], {})) for row in rows]

    def device(self, id: str, desired: DesiredOf | None = None) -> DeviceRecord:
        """The device of that id; raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table.device).where(table.device.c.id == id)).mappings().first()
        if row is None:
            raise NotFound(f"there is no device '{id}'", field="device", hint="`edgewright device ls` lists them.")
        return self._record(row, self._reported.states([id])[id], (desired or {}).get(id, {}))

    def revoke(self, principal: Principal, id: str) -> DeviceRecord:
        """Shut a device out at once and for good; its key never enrols again. Raises NotFound."""
        record = self.device(id)
        if not record.is_revoked:
            with self._db.write() as connection:
                query = sa.update(table.device).where(table.device.c.id == id)
                connection.execute(query.values(state=DeviceState.REVOKED, changed_at=self._clock()))
                self._tell(connection, principal.name, "fleet.revoked", id)
        return self.device(id)

    def create_group(self, principal: Principal, draft: GroupDraft, dry_run: bool = False) -> GroupRecord:
        """Make a group; raises InvalidInput, GroupExists."""
        check_group_draft(draft)
        if missing := set(draft.devices) - {device.id for device in self.devices()}:
            raise InvalidInput(
                f"there is no device '{min(missing)}'", field="devices", hint="`edgewright device ls` lists the ids."
            )
        row: dict[str, Any] = {"name": draft.name, "selector": draft.selector, "devices": sorted(set(draft.devices))}
        row |= {"created_at": self._clock(), "created_by": principal.name}
        with self._db.write() as connection:
            if connection.scalar(sa.select(table.group.c.name).where(table.group.c.name == draft.name)) is not None:
                raise GroupExists(f"there is a group '{draft.name}' already", field="name")
            if not dry_run:
                connection.execute(sa.insert(table.group).values(row))
                self._tell(connection, principal.name, "fleet.grouped", draft.name, selector=draft.selector)
        return self._group_record(row)

    def groups(self) -> list[GroupRecord]:
        """Every group, by name, with its members of now."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.group).order_by(table.group.c.name)).mappings().all()
        return [self._group_record(row) for row in rows]

    def members(self, group: str) -> list[str]:
        """The ids of the devices that are in the group now, without revoked ones; raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table.group).where(table.group.c.name == group)).mappings().first()
        if row is None:
            raise NotFound(f"there is no group '{group}'", field="group", hint="`edgewright group ls` lists them.")
        return self._members(row)

    def facts(self, group: str, models: Collection[str]) -> list[DeviceFacts]:
        """The devices that are in the group now, by id, and what they reported of `models`; raises NotFound.

        Made for whole fleets: it takes well below a second for 100,000 devices.
        """
        members = set(self.members(group))
        facts = read_facts(self._db, self.presence.newest, models, (table.device.c.state == DeviceState.ACTIVE,))
        return [one for one in facts if one.id in members]

    def seen(self, devices: list[str]) -> dict[str, Seen]:
        """When each of `devices` was last heard of."""
        return self._reported.seen(devices)

    def states(self, devices: list[str]) -> dict[str, tuple[ModelState, ...]]:
        """What each of `devices` last reported of its models, with the manifests that it holds."""
        return self._reported.states(devices)

    def running(self, model: str) -> dict[str, int]:
        """How many devices run which package of a model, by the digest of its manifest."""
        return self._reported.running(model)

    def paces(self, devices: list[str]) -> dict[str, Pace]:
        """What bytes cost each of `devices`, as it last reported."""
        return self._reported.paces(devices)

    def _enrol(self, connection: sa.Connection, request: EnrolRequest, now: float) -> Mapping[str, str]:
        # 1. The claim must be one that we made.
        claim_sha256 = token_sha256(request.claim)
        claims = table.claim
        claim = connection.execute(sa.select(claims).where(claims.c.token_sha256 == claim_sha256)).first()
        if claim is None:
            raise UnknownClaim("this claim token is not one of this hub", field="claim")
        # 2. The same key and claim again: the first reply got lost.
        id = device_id(request.public_key)
        known = connection.execute(sa.select(table.device).where(table.device.c.id == id)).first()
        if known is not None:
            return _enrolled_before(known, claim_sha256)
        # 3. Otherwise the claim must be unused and in time; then it is burnt together with the device's birth.
        if claim.used >= claim.uses:
            raise ClaimUsed("this claim token was used by another device", field="claim")
        if now >= claim.expires_at:
            raise ClaimExpired("this claim token has expired", field="claim")
        used = sa.update(claims).where(claims.c.token_sha256 == claim_sha256)
        connection.execute(used.values(used=claims.c.used + 1))
        connection.execute(sa.insert(table.device).values(_device_row(request, claim, now)))
        self._tell(connection, id, "fleet.enrolled", id, name=request.name, claimed_by=claim.created_by)
        labels: Mapping[str, str] = claim.labels
        return labels

    def _members(self, group: sa.RowMapping | dict[str, Any]) -> list[str]:
        columns = (table.device.c.id, table.device.c.labels)
        query = sa.select(*columns).where(table.device.c.state.not_in(ENDED)).order_by(table.device.c.id)
        with self._db.read() as connection:
            if group["selector"]:
                return [row.id for row in connection.execute(query) if matches(group["selector"], row.labels)]
            parts = [query.where(table.device.c.id.in_(part)) for part in chunks(group["devices"])]
            return [row.id for part in parts for row in connection.execute(part)]

    def _group_record(self, row: sa.RowMapping | dict[str, Any]) -> GroupRecord:
        members = tuple(self._members(row))
        return GroupRecord(
            name=row["name"],
            selector=row["selector"],
            devices=members,
            count=len(members),
            created_at=row["created_at"],
        )

    def _record(
        self, row: sa.RowMapping, states: tuple[ModelState, ...], wanted: Mapping[str, Desired]
    ) -> DeviceRecord:
        seen = self.presence.newest(row["id"], Seen(at=row["last_seen_at"], backlog=row["backlog"]))
        plain = ("id", "name", "labels", "arch", "cores", "ram_bytes", "runtimes", "hardware_ids", "agent_version")
        return DeviceRecord(
            **{name: row[name] for name in plain},
            providers={name: tuple(found) for name, found in row["providers"].items()},
            enrolled_at=row["enrolled_at"],
            is_revoked=row["state"] == DeviceState.REVOKED,
            state=DeviceState(row["state"]),
            last_seen_at=seen.at,
            backlog=seen.backlog,
            models=_models(states, wanted),
        )

    def _tell(self, connection: sa.Connection, actor: str, action: str, subject: str, **detail: Any) -> None:
        self._audit.record(connection, actor, action, subject, **detail)
        self._events.record(connection, action, subject, **detail)


def _enrolled_before(known: Any, claim_sha256: str) -> Mapping[str, str]:
    if known.state in ENDED:
        check_admitted(known.id, known.state)
    if known.claim_sha256 != claim_sha256:
        raise DeviceExists(f"this key is enrolled already, as {known.id}", field="public_key")
    labels: Mapping[str, str] = known.labels
    return labels


def _device_row(request: EnrolRequest, claim: Any, now: float) -> dict[str, Any]:
    machine = request.capabilities
    id = device_id(request.public_key)
    return {
        "id": id,
        "name": request.name.strip() or id,
        "labels": claim.labels,
        "public_key": request.public_key,
        "claim_sha256": claim.token_sha256,
        "arch": machine.arch,
        "cores": machine.cores,
        "ram_bytes": machine.ram_bytes,
        "disk_free_bytes": machine.disk_free_bytes,
        "runtimes": machine.runtimes,
        "providers": machine.providers,
        "hardware_ids": machine.hardware_ids,
        "agent_version": machine.agent_version,
        "python": machine.python,
        "enrolled_at": now,
        "last_seen_at": None,
        "backlog": 0,
        "state": DeviceState.ACTIVE,
        "changed_at": now,
        "pace": {},
    }


def _models(states: tuple[ModelState, ...], wanted: Mapping[str, Desired]) -> tuple[DeviceModel, ...]:
    reported = {state.model: state for state in states}
    return tuple(_model(name, reported.get(name), wanted.get(name)) for name in sorted(reported.keys() | wanted.keys()))


def _model(name: str, state: ModelState | None, want: Desired | None) -> DeviceModel:
    return DeviceModel(
        model=name,
        version=state.version if state else 0,
        counter=state.counter if state else 0,
        step=state.step if state else "idle",
        desired_counter=want.counter if want else 0,
        bad_counters=want.bad_counters if want else (),
    )
