"""The fleet's verbs: claim, enrol, open a session, check in, look at devices and steer them, group."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec
import sqlalchemy as sa

from edgewright.contract import httpsig
from edgewright.contract.api import (
    ClaimDraft,
    ClaimReply,
    DeviceRecord,
    DeviceState,
    FleetCounts,
    GroupDraft,
    GroupEdit,
    GroupRecord,
    LabelEdit,
    Membership,
    TimelineEntry,
)
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import NotAllowed
from edgewright.contract.report import (
    Capabilities,
    CheckIn,
    EnrolReply,
    EnrolRequest,
    ModelState,
    NonceReply,
    Pace,
    SessionReply,
)
from edgewright.hub.commits import GroupCommit
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.fleet import table
from edgewright.hub.fleet.announcing import Announcer
from edgewright.hub.fleet.devices import (
    Clones,
    Records,
    RollCall,
    Steering,
    Step,
    check_machine,
    device_row,
    learn,
    with_desired,
)
from edgewright.hub.fleet.enrolment import Claims, Contacts, Replacing, Successor, check_enrol_request
from edgewright.hub.fleet.facts import DeviceFacts
from edgewright.hub.fleet.groups import Groups
from edgewright.hub.fleet.lanes import Lanes
from edgewright.hub.fleet.model import MAX_PAGE, Desired, Seen, device_id, key_sha256
from edgewright.hub.fleet.presence import Presence
from edgewright.hub.fleet.reported import Reported
from edgewright.hub.fleet.selecting import Selector
from edgewright.hub.fleet.timeline import Source, Timeline
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
        self._clock = clock
        self._root_bytes = root_bytes
        self._commits = commits or GroupCommit(db)
        self.presence = Presence(db, self._commits, events, token_bytes, nonce_key, self.learn, self.hear)
        self._reported = Reported(db, self.presence.newest)
        self.lanes = Lanes(db, self.presence.newest)
        self._announcer = Announcer(events, audit)
        self._steering = Steering(self._announcer)
        self._clones = Clones(self._steering)
        self._replacing = Replacing(self._announcer)
        self._claims = Claims(db, self._announcer, token_bytes)
        self._contacts = Contacts(self._announcer, self._replacing)
        self._records = Records(db, self.presence.newest, self._reported.states)
        self._roll_call = RollCall(db, self.presence.newest, self._records.of)
        self._groups = Groups(db, events, self._announcer, self.presence.newest)
        self._timeline = Timeline(db)

    def claim(self, principal: Principal, draft: ClaimDraft, dry_run: bool = False) -> ClaimReply:
        """Make claim tokens; they are shown here and never again. A dry run checks and makes none.

        Raises InvalidInput, and NotFound or AlreadyReplaced where a device shall be replaced.
        """
        return self._claims.make(principal.name, draft, self._clock(), dry_run)

    def nonce(self) -> NonceReply:
        """A nonce for one signed request within its time."""
        return self.presence.nonce(self._clock())

    def enrol(self, request: EnrolRequest, headers: Headers, body: bytes, method: str, path: str) -> EnrolReply:
        """Make the sender a device of this fleet, and burn a use of its claim, in one transaction.

        `request` is the decoded `body`. The same key with the same claim again (its reply got lost) gives the same
        device. Raises UnknownClaim, ClaimUsed, ClaimExpired, WrongHardware, AlreadyReplaced, DeviceExists,
        DeviceShutOut, StaleNonce, HostileInput, or NotAllowed where the signature does not hold; none of them uses the
        claim up.
        """
        check_enrol_request(request)
        now = self._clock()
        params = httpsig.verify(method, path, body, headers, DevicePublicKey(request.public_key))
        if params.keyid != key_sha256(request.public_key):
            raise NotAllowed("an enrolment is signed with the key that it brings", field="keyid")
        root = self._root_bytes()
        with self._db.write() as connection:
            self.presence.burn(connection, params.nonce, now)
            labels = self._contacts.enrol(connection, request, now)
        return EnrolReply(device=device_id(request.public_key), root=root, hub_time=now, labels=labels)

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
        self.presence.heartbeats.flush_all()

    def learn(self, connection: sa.Connection, device: str, machine: Capabilities, now: float) -> bool:
        """Keep what a device measured of its machine, in the caller's transaction; False where nothing is new.

        Raises HostileInput.
        """
        check_machine(machine)
        changed = learn(connection, device, machine, now)
        if changed:
            self._announcer.of_device(connection, device, "fleet.measured", device, changed=list(changed))
        return bool(changed)

    def hear(self, connection: sa.Connection, device: str, life: str, turn: int, last_turn: int, now: float) -> bool:
        """Take in a turn that does not simply follow `last_turn`, the newest of that life in memory (0 for none).

        False if the device gets nothing any more: a key that is in two places is quarantined.
        """
        return self._clones.hear(connection, device, life, turn, last_turn, now)

    def devices(self, desired: DesiredOf | None = None) -> list[DeviceRecord]:
        """Every device, by name; `desired` comes from the rollouts. For whole fleets read `page` or `facts`."""
        return [with_desired(one, (desired or {}).get(one.id, {})) for one in self._records.every()]

    def device(self, id: str, desired: DesiredOf | None = None) -> DeviceRecord:
        """The device of that id; raises NotFound."""
        return with_desired(self._records.one(id), (desired or {}).get(id, {}))

    def page(
        self,
        *,
        after: str = "",
        limit: int = MAX_PAGE,
        state: DeviceState | None = None,
        selector: str = "",
        group: str = "",
    ) -> list[DeviceRecord]:
        """At most `limit` devices by name, those after the device `after`; fewer than `limit` are the last.

        Of a group they are its members; with a selector, whatever their state, those that it takes. Raises
        InvalidInput, and NotFound where there is no such device or group.
        """
        chosen = self._groups.get(group) if group else Selector(selector) if selector else None
        return self._records.page(after=after, limit=limit, state=state, chosen=chosen)

    def roll_call(self, now: float, silence_s: float, most: int) -> tuple[FleetCounts, list[DeviceRecord]]:
        """How many devices are how, with those silent for longer as away, and `most` that want looking at."""
        return self._roll_call.call(now, silence_s, most)

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Devices' names by their ids."""
        return self._records.names(ids)

    def history(self, id: str, before: str = "", limit: int = 50) -> list[TimelineEntry]:
        """What happened to a device, newest first, from before the entry `before` on; raises NotFound, InvalidInput."""
        with self._db.read() as connection:
            device_row(connection, id)
        return self._timeline.page(id, before, limit)

    def tell_history(self, source: Source) -> None:
        """Take what another room remembers of devices into their histories."""
        self._timeline.add(source)

    def on_replaced(self, act: Successor) -> None:
        """Have `act(connection, old, new)` hand over what another room keeps of a device to its new board."""
        self._replacing.on_replaced(act)

    def approve(self, principal: Principal, id: str, dry_run: bool = False) -> DeviceRecord:
        """Let a device in that waits; it replaces the one for which it was claimed. Raises NotFound, DeviceMovedOn."""
        return self._steer(principal, id, Step.APPROVE, "", dry_run)

    def reject(self, principal: Principal, id: str, reason: str = "", dry_run: bool = False) -> DeviceRecord:
        """Shut a device that waits out for good; raises NotFound, DeviceMovedOn."""
        return self._steer(principal, id, Step.REJECT, reason, dry_run)

    def release(self, principal: Principal, id: str, reason: str = "", dry_run: bool = False) -> DeviceRecord:
        """Let a device out of quarantine, and forget its lives; raises NotFound, DeviceMovedOn."""
        return self._steer(principal, id, Step.RELEASE, reason, dry_run)

    def retire(self, principal: Principal, id: str, reason: str = "", dry_run: bool = False) -> DeviceRecord:
        """Take a device out of service; raises NotFound, DeviceMovedOn."""
        return self._steer(principal, id, Step.RETIRE, reason, dry_run)

    def revoke(self, principal: Principal, id: str, reason: str = "", dry_run: bool = False) -> DeviceRecord:
        """Shut a device out at once and for good; its key never enrols again. Raises NotFound."""
        return self._steer(principal, id, Step.REVOKE, reason, dry_run)

    def label(self, principal: Principal, id: str, edit: LabelEdit, dry_run: bool = False) -> DeviceRecord:
        """Change a device's labels; raises NotFound, InvalidInput."""
        with self._rehearsed(dry_run) as connection:
            labels = self._steering.label(connection, principal.name, id, edit, self._clock())
        return msgspec.structs.replace(self.device(id), labels=labels)

    def labels_of(self, connection: sa.Connection, id: str) -> dict[str, str]:
        """A device's labels; none where there is no such device."""
        query = sa.select(table.device.c.labels).where(table.device.c.id == id)
        found: dict[str, str] | None = connection.scalar(query)
        return found or {}

    def create_group(self, principal: Principal, draft: GroupDraft, dry_run: bool = False) -> GroupRecord:
        """Make a group; raises InvalidInput, GroupExists."""
        return self._groups.create(principal.name, draft, self._clock(), dry_run)

    def edit_group(self, principal: Principal, name: str, edit: GroupEdit, dry_run: bool = False) -> GroupRecord:
        """Change a group; live rollouts keep the devices that they began with. Raises NotFound, InvalidInput."""
        return self._groups.edit(principal.name, name, edit, dry_run)

    def remove_group(self, principal: Principal, name: str, dry_run: bool = False) -> GroupRecord:
        """Remove a group, not its devices; live rollouts keep the devices that they began with. Raises NotFound."""
        return self._groups.remove(principal.name, name, dry_run)

    def groups(self) -> list[GroupRecord]:
        """Every group, by name, with its count of now, and without its members."""
        return self._groups.records(self._clock())

    def group(self, name: str) -> GroupRecord:
        """One group with the first of its members; raises NotFound."""
        return self._groups.record(name)

    def groups_of(self, device: str) -> list[str]:
        """The names of the groups that a device is in now."""
        return self._groups.of(device)

    def why(self, group: str, device: str) -> Membership:
        """Whether a device is in a group, and why; raises NotFound."""
        return self._groups.why(group, device)

    def members(self, group: str) -> list[str]:
        """The ids of the devices that are in the group now; raises NotFound."""
        return [one.id for one in self._groups.facts(group)]

    def facts(self, group: str, models: Collection[str]) -> list[DeviceFacts]:
        """The devices in service that are in the group now, by id, and what they report of `models`; raises NotFound.

        `group` is "" for all of them. Made for whole fleets: it takes about a second of CPU for 100,000 devices.
        """
        return self._groups.facts(group, models) if group else self._groups.everyone(models)

    def named(self, devices: Collection[str], models: Collection[str] = ()) -> list[DeviceFacts]:
        """Those of `devices` that there are, whatever their state, with what they report of `models`."""
        return self._groups.named(devices, models)

    def poll_s(self, device: str) -> float | None:
        """How often a device shall check in, as the shortest time of its groups says; None where none does."""
        return self._groups.poll_s(device)

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

    def _steer(self, principal: Principal, id: str, step: Step, reason: str, dry_run: bool) -> DeviceRecord:
        now = self._clock()
        with self._rehearsed(dry_run) as connection:
            is_moved = self._steering.move(connection, principal.name, id, step, reason, now)
            old = device_row(connection, id)["replaces"]
            if is_moved and step is Step.APPROVE and old:
                self._replacing.replace(connection, principal.name, old, id, now)
        return self.device(id)

    @contextlib.contextmanager
    def _rehearsed(self, dry_run: bool) -> Iterator[sa.Connection]:
        """A writing transaction, of which a dry run keeps nothing."""
        with self._db.write() as connection:
            part = connection.begin_nested()
            yield connection
            if dry_run:
                part.rollback()
