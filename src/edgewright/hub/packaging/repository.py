"""The hub's TUF repository: drafts what people sign, publishes it once signed, and keeps timestamp and snapshot fresh.

Every file is written whole, and the timestamp last: until then a device sees the state before.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from edgewright.contract.api import KeyEdit, SignatureDraft, SigningPayload
from edgewright.contract.errors import NotFound
from edgewright.contract.keychange import (
    Published,
    assemble,
    draft_change,
    to_payload,
)
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.trusted import TrustedSet, role_of
from edgewright.contract.whole import write_whole
from edgewright.hub.govern.keys import OnlineKey
from edgewright.hub.packaging.drafts import delegating, releasing
from edgewright.hub.packaging.model import NoRoot, StaleSignature
from edgewright.hub.packaging.signatures import SignedPayload, lack_of, online_of, root_of, signed_by, targets_of

TIMESTAMP_LIFETIME = timedelta(days=1)
SNAPSHOT_LIFETIME = timedelta(days=7)

S = TypeVar("S", Timestamp, Snapshot)


class Repository:
    """The folder HUB/tuf. The ceremony puts '1.root.json' and '1.targets.json' there; the rest is written here.

    `timestamp` and `snapshot` are the hub's online keys. `now` is an aware datetime in UTC.
    """

    def __init__(self, folder: Path, timestamp: OnlineKey, snapshot: OnlineKey) -> None:
        self._folder = folder
        self._timestamp = timestamp
        self._snapshot = snapshot
        self._lock = threading.RLock()
        self._seen: tuple[tuple[bytes, bytes], Published] | None = None  # pages ask again and again

    def file(self, name: str) -> bytes:
        """The published file of that plain name; raises NotFound."""
        if not is_plain_name(name) or not name.endswith(".json") or not (self._folder / name).is_file():
            raise NotFound(f"there is no metadata '{name[:80]}'", field="name")
        return (self._folder / name).read_bytes()

    def root_bytes(self) -> bytes:
        """The newest root; raises NoRoot before the ceremony."""
        versions = self._root_versions()
        if not versions:
            raise NoRoot("this hub has no root of trust yet", field="tuf")
        return self.file(f"{versions[-1]}.root.json")

    def published(self) -> Published:
        """What devices follow now: root, targets and the release roles of all models."""
        with self._lock:
            if not self._root_versions():
                return Published()
            now = (self.root_bytes(), self.file("timestamp.json") if self._newest_timestamp() else b"")
            if self._seen is None or self._seen[0] != now:
                self._seen = now, self._read_published()
            return self._seen[1]

    def online_keys(self) -> list[dict[str, dict[str, Key]]]:
        """The online keys by role and key id, as each root has named them, the oldest root first."""
        roots = [Metadata[Root].from_bytes(self.file(f"{one}.root.json")).signed for one in self._root_versions()]
        return [online_of(root) for root in roots]

    def audit_keys(self) -> list[Key]:
        """Every key that a root has named for the audit log, the oldest first: what they signed stays signed."""
        return [key for online in self.online_keys() for key in online["audit"].values()]

    def trusted(self, now: datetime, roles: Iterable[str] = ()) -> TrustedSet:
        """Read everything as a device would that starts from the first root; raises HostileInput where it would."""
        trusted = TrustedSet.from_root(self.file("1.root.json"))
        while (place := self._folder / f"{trusted.root.version + 1}.root.json").exists():
            trusted = trusted.update_root(place.read_bytes())
        trusted = trusted.update_timestamp(self.file("timestamp.json"), now)
        trusted = trusted.update_snapshot(self.file(f"{trusted.named('snapshot').version}.snapshot.json"), now)
        trusted = trusted.update_targets(self.file(f"{trusted.named('targets').version}.targets.json"), now)
        for role in roles:
            data = self.file(f"{trusted.named(role).version}.{role}.json")
            trusted = trusted.update_delegated(role, data, now)
        return trusted

    def draft(self, model: str, targets: Mapping[str, tuple[int, str]], now: datetime) -> tuple[SigningPayload, ...]:
        """What people must sign to publish `targets` (path: length, SHA-256) on top of what is published.

        The model's release role always; the top-level targets too, if they do not delegate to that role yet.
        """
        with self._lock:
            role, top = role_of(model), self._published("targets")
            if top is None:
                raise NoRoot("this hub has no top-level targets yet", field="tuf")
            payloads = []
            if not (top.delegations and top.delegations.roles and role in top.delegations.roles):
                top = delegating(top, model, now)
                payloads.append(to_payload("targets", top, self._root().roles["targets"]))
            releases = releasing(self._published(role), targets, now)
            payloads.append(to_payload(role, releases, top.get_delegated_role(role)))
            return tuple(payloads)

    def draft_change(self, edits: Iterable[KeyEdit], now: datetime, *, renew: bool) -> tuple[SigningPayload, ...]:
        """What people must sign to change keys on top of what is published; see `contract.keychange`."""
        with self._lock:
            return draft_change(self.published(), edits, now, renew=renew)

    def is_next(self, payload: SigningPayload) -> bool:
        """Whether this payload can still be published, or just has been: nothing else took its version."""
        with self._lock:
            return payload.version == self._version(payload.role) + 1 or self._is_published(payload)

    def is_release_current(self, payloads: Sequence[SigningPayload]) -> bool:
        """Whether a release's payloads can still be published, under the rules that now say who signs them."""
        with self._lock:
            top = self._published("targets")
            roles = (top.delegations.roles if top and top.delegations else None) or {}
            for payload in payloads:
                rule = roles.get(payload.role)
                is_ruled = rule is None or (set(rule.keyids), rule.threshold) == (
                    set(payload.keyids),
                    payload.threshold,
                )
                if not self.is_next(payload) or not (is_ruled or self._is_published(payload)):
                    return False
            return True

    def holds(self, signature: SignatureDraft, payloads: Iterable[SigningPayload]) -> bool:
        """Whether a signature is that of a key of its role, as it is or shall be, over its payload's very bytes.

        Over what is published already, by a crash in the middle, that of a key which it was to replace holds too.
        """
        with self._lock:
            known = {payload.role: payload for payload in payloads}
            payload = known.get(signature.role)
            if payload is None or payload.version != signature.version:
                return False
            piece = SignedPayload(payload, (signature,))
            rulers = [*self._rulers(payload, known), *self._rulers(payload, {})]
            if any(signature.keyid in signed_by(ruler, piece) for ruler in rulers):
                return True
            return self._is_published(payload) and self.held_once(signature, payload)

    def held_once(self, signature: SignatureDraft, payload: SigningPayload) -> bool:
        """Whether a signature is that of a key that some published root or targets let sign for this role."""
        kind = "root" if payload.role in ("root", "targets") else "targets"
        with self._lock:
            places = self._folder.glob(f"[0-9]*.{kind}.json")
            rulers = [Metadata[Any].from_bytes(place.read_bytes()).signed for place in places]
            return any(signature.keyid in signed_by(ruler, SignedPayload(payload, (signature,))) for ruler in rulers)

    def missing(self, piece: SignedPayload, payloads: Iterable[SigningPayload]) -> str:
        """What the piece lacks to be published, in words; "" for nothing. `payloads` is all that goes out with it."""
        with self._lock:
            known = {payload.role: payload for payload in payloads}
            rulers = self._rulers(piece.payload, known)
            lacks = [lack_of(ruler, piece) for ruler in rulers]
            return "; ".join(dict.fromkeys(lack for lack in lacks if lack)) if rulers else "nobody may sign it"

    def publish(self, pieces: Iterable[SignedPayload], now: datetime) -> None:
        """Write signed metadata, a new snapshot and a new timestamp, and a new root last; again changes nothing.

        While a root is handed over, snapshot and timestamp carry the signatures of the old online keys and of the
        new: a device believes them whichever of the two roots it has. Raises StaleSignature if a version has been
        taken or a threshold is not met, and NoRoot if the new root names online keys that are not here.
        """
        with self._lock:
            found = [piece for piece in pieces if not self._is_published(piece.payload)]
            known = [piece.payload for piece in found]
            for piece in found:
                role, payload = piece.payload.role, piece.payload
                if not self.is_next(payload) or self.missing(piece, known):
                    raise StaleSignature(f"{role} version {payload.version} cannot be published", field="signatures")
            roots = [piece for piece in found if piece.payload.role == "root"]
            ruling = [*self._newest_roots(), *(root_of(piece.payload) for piece in roots)]
            self._check_keys(ruling[-1:])
            others = {piece.payload.role: piece for piece in found if piece not in roots}
            for piece in others.values():
                self._write_piece(piece)
            if found:
                self._republish({role: piece.payload.version for role, piece in others.items()}, now, ruling)
            for piece in roots:
                self._write_piece(piece)
                self._follow()

    def renew(self, now: datetime) -> bool:
        """Sign timestamp and snapshot anew where half of their life is over; return whether that was due.

        Not due before the ceremony. Raises NoRoot if the root names other online keys than this hub's.
        """
        with self._lock:
            if not self._root_versions():
                return False
            self._follow()
            roots = self._newest_roots()
            self._check_keys(roots)
            old = self._newest_timestamp()
            if old is None:
                self._republish({"targets": 1}, now, roots)
                return True
            snapshot = self._newest_snapshot(old)
            if snapshot.expires - now < SNAPSHOT_LIFETIME / 2 or not self._is_online_signed(roots[0], old):
                self._republish({}, now, roots)
                return True
            if old.expires - now < TIMESTAMP_LIFETIME / 2:
                self._write_timestamp(old.version + 1, old.snapshot_meta, now, roots)
                return True
            return False

    def _read_published(self) -> Published:
        root = Metadata[Root].from_bytes(self.root_bytes())
        timestamp = self._newest_timestamp()
        meta = self._newest_snapshot(timestamp).meta if timestamp else {"targets.json": MetaFile(1)}
        roles = {
            name.removesuffix(".json"): Metadata[Targets].from_bytes(self.file(f"{one.version}.{name}"))
            for name, one in meta.items()
        }
        top = roles.pop("targets", None)
        return Published(root, top, roles)

    def _republish(self, changed: Mapping[str, int], now: datetime, roots: Sequence[Root]) -> None:
        old = self._newest_timestamp()
        before = self._newest_snapshot(old) if old else Snapshot(version=1, meta={})
        meta = dict(before.meta)
        for role, version in changed.items():
            meta[f"{role}.json"] = MetaFile.from_data(version, self.file(f"{version}.{role}.json"), ["sha256"])
        version = before.version + 1 if old else 1
        data = _sign(Snapshot(version=version, expires=now + SNAPSHOT_LIFETIME, meta=meta), self._snapshot, roots)
        self._write(f"{version}.snapshot.json", data)
        named = MetaFile.from_data(version, data, ["sha256"])
        self._write_timestamp(old.version + 1 if old else 1, named, now, roots)

    def _write_timestamp(self, version: int, snapshot: MetaFile, now: datetime, roots: Sequence[Root]) -> None:
        timestamp = Timestamp(version=version, expires=now + TIMESTAMP_LIFETIME, snapshot_meta=snapshot)
        self._write("timestamp.json", _sign(timestamp, self._timestamp, roots))

    def _check_keys(self, roots: Iterable[Root]) -> None:
        for root in roots:
            for name, key in (("timestamp", self._timestamp), ("snapshot", self._snapshot)):
                if not any(signer.public_key.keyid in root.roles[name].keyids for signer in key.signers):
                    raise NoRoot(f"the root of trust does not name this hub's {name} key", field="tuf")

    def _follow(self) -> None:
        root = self._root()
        self._timestamp.follow(root.roles["timestamp"].keyids)
        self._snapshot.follow(root.roles["snapshot"].keyids)

    def _is_online_signed(self, root: Root, timestamp: Timestamp) -> bool:
        """Whether what was signed last is signed by the keys that the root names: a crash may have come between."""
        names = {"timestamp": "timestamp.json", "snapshot": f"{timestamp.snapshot_meta.version}.snapshot.json"}
        found = {role: json.loads(self.file(name)) for role, name in names.items()}
        return all(
            {one["keyid"] for one in metadata["signatures"]} & set(root.roles[role].keyids)
            for role, metadata in found.items()
        )

    def _root(self) -> Root:
        return Metadata[Root].from_bytes(self.root_bytes()).signed

    def _newest_roots(self) -> list[Root]:
        """The newest root in a list of one, or none before the ceremony."""
        return [self._root()] if self._root_versions() else []

    def _root_versions(self) -> list[int]:
        return sorted(int(path.name.partition(".")[0]) for path in self._folder.glob("[0-9]*.root.json"))

    def _newest_timestamp(self) -> Timestamp | None:
        place = self._folder / "timestamp.json"
        return Metadata[Timestamp].from_bytes(place.read_bytes()).signed if place.exists() else None

    def _newest_snapshot(self, timestamp: Timestamp) -> Snapshot:
        return Metadata[Snapshot].from_bytes(self.file(f"{timestamp.snapshot_meta.version}.snapshot.json")).signed

    def _published(self, role: str) -> Targets | None:
        timestamp = self._newest_timestamp()
        meta = self._newest_snapshot(timestamp).meta.get(f"{role}.json") if timestamp else None
        return Metadata[Targets].from_bytes(self.file(f"{meta.version}.{role}.json")).signed if meta else None

    def _version(self, role: str) -> int:
        """The version that is published, 0 for none."""
        if role == "root":
            return max(self._root_versions(), default=0)
        published = self._published(role)
        return published.version if published else 0

    def _is_published(self, payload: SigningPayload) -> bool:
        if payload.role == "root":
            roots = self._newest_roots()
            return bool(roots) and Metadata(roots[0]).signed_bytes == payload.signed
        published = self._published(payload.role)
        return published is not None and Metadata(published).signed_bytes == payload.signed

    def _rulers(self, payload: SigningPayload, known: Mapping[str, SigningPayload]) -> list[Root | Targets]:
        """Who says who may sign: for a root the root before and itself; what is about to be published counts."""
        roots = self._newest_roots()
        if payload.role == "root":
            return [*roots, root_of(payload)]
        if payload.role == "targets":
            return [root_of(known["root"])] if "root" in known else [*roots]
        if "targets" in known:
            return [targets_of(known["targets"])]
        published = self._published("targets")
        return [published] if published else []

    def _write_piece(self, piece: SignedPayload) -> None:
        data = assemble(piece.payload, piece.signatures)
        self._write(f"{piece.payload.version}.{piece.payload.role}.json", data)

    def _write(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / name, data)


def _sign(signed: S, key: OnlineKey, roots: Sequence[Root]) -> bytes:
    """Signed with every key of ours that one of the roots names for the role."""
    named = {keyid for root in roots for keyid in root.roles[signed.type].keyids}
    metadata = Metadata(signed)
    for signer in key.signers:
        if signer.public_key.keyid in named:
            metadata.sign(signer, append=True)
    return metadata.to_bytes()
