"""What of a hub's signed roles may be believed: the checks of the TUF client workflow, without I/O and without a clock.

Hub and device hold the same set: a device believes through it, and `release verify` asks it what a device would say.
It takes any TUF repository; the rules that are Edgewright's own (`target`, `director_keys`, `audit_keys`) come last
and are stricter. Section numbers are those of the TUF specification 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from edgewright.contract.errors import HostileInput

MAX_ROOT_BYTES = 512 * 1024
MAX_TIMESTAMP_BYTES = 16 * 1024
MAX_SNAPSHOT_BYTES = 2 * 1024 * 1024
MAX_TARGETS_BYTES = 4 * 1024 * 1024
ONLINE_FIELD = "x-edgewright-online"
RELEASE_FIELD = "x-edgewright-release"
ROLE_PREFIX = "release-"

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


def role_of(model: str) -> str:
    """The TUF role that vouches for the releases of `model`."""
    return f"{ROLE_PREFIX}{model}"


@dataclass(frozen=True)
class TrustedSet:
    """Verified metadata. Each `update_*` returns a richer set or raises HostileInput and changes nothing.

    Order: root (one version after another), then `recall_*` of what was trusted before, timestamp, snapshot,
    targets, and the roles to which they delegate. `now` is an aware datetime in UTC. `vouched` holds pairs of
    delegator and role: that one delegator's keys signed a role says nothing of another's.
    """

    root: Root
    timestamp: Timestamp | None = None
    snapshot: Snapshot | None = None
    roles: Mapping[str, Targets] = field(default_factory=dict)
    vouched: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def from_root(cls, data: bytes) -> TrustedSet:
        """Begin with a root that came from a trusted place: at enrolment, or from the device's own disk."""
        metadata = _parse(data, Root, "root", MAX_ROOT_BYTES)
        _verify(metadata.signed, "root", metadata)
        return cls(metadata.signed)

    def update_root(self, data: bytes) -> TrustedSet:
        """5.3: the next root, signed by the threshold of the one before and by its own."""
        metadata = _parse(data, Root, "root", MAX_ROOT_BYTES)
        _verify(self.root, "root", metadata)
        _verify(metadata.signed, "root", metadata)
        _require(metadata.signed.version == self.root.version + 1, "root", f"version {self.root.version + 1} is due")
        return TrustedSet(metadata.signed)

    def recall_timestamp(self, data: bytes) -> TrustedSet:
        """Take a timestamp that was verified before as a floor, unless one is as high; it may have expired since."""
        metadata = _parse(data, Timestamp, "timestamp", MAX_TIMESTAMP_BYTES)
        _verify(self.root, "timestamp", metadata)
        is_newer = self.timestamp is None or metadata.signed.version > self.timestamp.version
        return replace(self, timestamp=metadata.signed) if is_newer else self

    def update_timestamp(self, data: bytes, now: datetime) -> TrustedSet:
        """5.4: a timestamp that is signed, not older than the one that was trusted, and not expired."""
        _require(not self.root.is_expired(now), "root", f"it has expired on {self.root.expires}")
        metadata = _parse(data, Timestamp, "timestamp", MAX_TIMESTAMP_BYTES)
        _verify(self.root, "timestamp", metadata)
        new, old = metadata.signed, self.timestamp
        if old is not None:
            _require_risen("timestamp", new.version, old.version)
            _require_risen("snapshot", new.snapshot_meta.version, old.snapshot_meta.version)
            new = old if new.version == old.version else new
        _require(not new.is_expired(now), "timestamp", f"it has expired on {new.expires}")
        return replace(self, timestamp=new)

    def recall_snapshot(self, data: bytes) -> TrustedSet:
        """Take a snapshot that was verified before as a floor for all roles' versions, unless there is one as high."""
        metadata = _parse(data, Snapshot, "snapshot", MAX_SNAPSHOT_BYTES)
        _verify(self.root, "snapshot", metadata)
        is_newer = self.snapshot is None or metadata.signed.version > self.snapshot.version
        return replace(self, snapshot=metadata.signed) if is_newer else self

    def update_snapshot(self, data: bytes, now: datetime) -> TrustedSet:
        """5.5: the snapshot that the timestamp names, in which no role is missing or older than before."""
        named = self._timestamp().snapshot_meta
        _verify_file(named, data, "snapshot")
        metadata = _parse(data, Snapshot, "snapshot", MAX_SNAPSHOT_BYTES)
        _verify(self.root, "snapshot", metadata)
        new = metadata.signed
        _require(new.version == named.version, "snapshot", f"the timestamp names version {named.version}")
        for name, old in self.snapshot.meta.items() if self.snapshot else ():
            _require(name in new.meta, "snapshot", f"it has lost {name}")
            _require_risen(name.removesuffix(".json"), new.meta[name].version, old.version)
        _require(not new.is_expired(now), "snapshot", f"it has expired on {new.expires}")
        return replace(self, snapshot=new, roles={}, vouched=frozenset())

    def update_targets(self, data: bytes, now: datetime) -> TrustedSet:
        """5.6: the top-level targets that the snapshot names: which keys may release which models."""
        return self._update_role("targets", "root", data, now)

    def update_delegated(self, role: str, data: bytes, now: datetime, delegator: str = "targets") -> TrustedSet:
        """5.6.7: a role that `delegator`, trusted already, delegates to: signed by the keys that it names."""
        return self._update_role(role, delegator, data, now)

    def holds(self, role: str, delegator: str = "targets") -> bool:
        """Whether a role is loaded and this delegator's keys have signed it."""
        return (delegator, role) in self.vouched

    def file_name(self, role: str) -> str:
        """Under which name a repository has the named version of a role (6.2: with consistent snapshots or without)."""
        plain = f"{quote(role, safe='')}.json"
        return f"{self.named(role).version}.{plain}" if self.root.consistent_snapshot else plain

    def named(self, role: str) -> MetaFile:
        """What the snapshot says of a role: its version, length and hashes. The timestamp says it of the snapshot."""
        if role == "snapshot":
            return self._timestamp().snapshot_meta
        if self.snapshot is None:
            raise HostileInput(f"there is no trusted snapshot to name {role}", field=role)
        meta = self.snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise HostileInput(f"the snapshot does not name the role '{role}'", field=role)
        return meta

    def target(self, path: str) -> tuple[int, str]:
        """Length in bytes and SHA-256 of the manifest at `path` ('<model>/<counter>/<target>.json').

        Only the release role of that very model is asked, and only for paths that are delegated to it.
        """
        role = role_of(path.partition("/")[0])
        delegation = _delegation(self._role("targets"), role)
        _require(delegation.is_delegated_path(path), role, f"it may not release '{path}'")
        _require(self.holds(role), role, "its metadata is not loaded")
        file = self._role(role).targets.get(path)
        if file is None:
            raise HostileInput(f"{role} does not vouch for '{path}'", field="target_path")
        digest = file.hashes.get("sha256", "")
        _require(len(digest) == 64, role, f"'{path}' has no SHA-256")
        return file.length, digest

    def director_keys(self) -> dict[str, Key]:
        """The keys that may sign orders, as the root names them."""
        return self._online("director")

    def audit_keys(self) -> dict[str, Key]:
        """The keys that sign the hub's audit log, as the root names them."""
        return self._online("audit")

    def _update_role(self, role: str, delegator: str, data: bytes, now: datetime) -> TrustedSet:
        meta = self.named(role)
        _verify_file(meta, data, role)
        metadata = _parse(data, Targets, role, MAX_TARGETS_BYTES)
        _verify(self.root if delegator == "root" else self._role(delegator), role, metadata)
        _require(metadata.signed.version == meta.version, role, f"the snapshot names version {meta.version}")
        _require(not metadata.signed.is_expired(now), role, f"it has expired on {metadata.signed.expires}")
        is_known = self.roles.get(role) == metadata.signed
        kept = self.vouched if is_known else {pair for pair in self.vouched if role not in pair}
        roles = {**self.roles, role: metadata.signed}
        return replace(self, roles=roles, vouched=frozenset({*kept, (delegator, role)}))

    def _timestamp(self) -> Timestamp:
        if self.timestamp is None:
            raise HostileInput("there is no trusted timestamp", field="timestamp")
        return self.timestamp

    def _role(self, role: str) -> Targets:
        trusted = self.roles.get(role)
        if trusted is None:
            raise HostileInput(f"{role}: its metadata is not loaded", field=role)
        return trusted

    def _online(self, name: str) -> dict[str, Key]:
        try:
            keys = self.root.unrecognized_fields[ONLINE_FIELD][name]
            return {keyid: Key.from_dict(keyid, dict(key)) for keyid, key in keys.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HostileInput(f"the root names no {name} key", field=ONLINE_FIELD) from error


def _parse(data: bytes, kind: type[S], role: str, max_bytes: int) -> Metadata[S]:
    _require(len(data) <= max_bytes, role, f"it has {len(data)} bytes, at most {max_bytes} are allowed")
    try:
        metadata = Metadata[S].from_bytes(data)
    except RepositoryError as error:
        raise HostileInput(f"{role}: not TUF metadata", field=role) from error
    _require(isinstance(metadata.signed, kind), role, f"its type is '{metadata.signed.type}'")
    _require(type(metadata.signed.version) is int, role, "its version is no whole number")
    return metadata


def _verify(delegator: Root | Targets, role: str, metadata: Metadata[S]) -> None:
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise HostileInput(f"{role}: {error}", field=role) from error


def _verify_file(meta: MetaFile, data: bytes, role: str) -> None:
    try:
        meta.verify_length_and_hashes(data)
    except RepositoryError as error:
        raise HostileInput(f"{role}: {error}", field=role) from error


def _delegation(targets: Targets, role: str) -> DelegatedRole:
    roles = targets.delegations.roles if targets.delegations else None
    if not roles or role not in roles:
        raise HostileInput(f"the targets role delegates nothing to '{role}'", field=role)
    return roles[role]


def _require_risen(role: str, new: int, old: int) -> None:
    _require(new >= old, role, f"version {new} is offered where {old} was trusted (rollback)")


def _require(holds: bool, role: str, why: str) -> None:
    if not holds:
        raise HostileInput(f"{role}: {why}", field=role)
