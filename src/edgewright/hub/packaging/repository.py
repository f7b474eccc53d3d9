"""The hub's TUF repository: drafts what people sign, publishes it once signed, and keeps timestamp and snapshot fresh.

Every file is written whole, and the timestamp last: until then a device sees the state before.
"""

from __future__ import annotations

import copy
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from securesystemslib.signer import CryptoSigner, Key, Signature
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edgewright.contract.api import SignatureDraft, SigningPayload
from edgewright.contract.errors import NotFound
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.trusted import RELEASE_FIELD, TrustedSet, role_of
from edgewright.hub.packaging.model import NoRoot, StaleSignature

TIMESTAMP_LIFETIME = timedelta(days=1)
SNAPSHOT_LIFETIME = timedelta(days=7)
RELEASE_LIFETIME = timedelta(days=365)

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True)
class SignedPayload:
    """A payload with the signatures that people made over it."""

    payload: SigningPayload
    signatures: tuple[SignatureDraft, ...]


class Repository:
    """The folder HUB/tuf. The ceremony puts '1.root.json' and '1.targets.json' there; the rest is written here.

    `timestamp` and `snapshot` are the hub's online signers. `now` is an aware datetime in UTC.
    """

    def __init__(self, folder: Path, timestamp: CryptoSigner, snapshot: CryptoSigner) -> None:
        self._folder = folder
        self._timestamp = timestamp
        self._snapshot = snapshot
        self._lock = threading.RLock()

    def file(self, name: str) -> bytes:
        """The published file of that plain name; raises NotFound."""
        if not is_plain_name(name) or not name.endswith(".json") or not (self._folder / name).is_file():
            raise NotFound(f"there is no metadata '{name[:80]}'", field="name")
        return (self._folder / name).read_bytes()

    def root_bytes(self) -> bytes:
        """The newest root; raises NoRoot before the ceremony."""
        versions = [int(path.name.partition(".")[0]) for path in self._folder.glob("[0-9]*.root.json")]
        if not versions:
            raise NoRoot("this hub has no root of trust yet", field="tuf")
        return self.file(f"{max(versions)}.root.json")

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
                top = _delegating(top, model, now)
                payloads.append(_payload("targets", top, self._root().roles["targets"]))
            releases = _releasing(self._published(role), targets, now)
            payloads.append(_payload(role, releases, top.get_delegated_role(role)))
            return tuple(payloads)

    def is_next(self, payload: SigningPayload) -> bool:
        """Whether this payload can still be published, or just has been: nothing else took its version."""
        with self._lock:
            published = self._published(payload.role)
            due = published.version + 1 if published else 1
            return payload.version == due or self._is_published(payload)

    def holds(self, signature: SignatureDraft, payloads: Iterable[SigningPayload]) -> bool:
        """Whether a signature is that of a key of its role over the very bytes of its payload."""
        with self._lock:
            known = {payload.role: payload for payload in payloads}
            payload = known.get(signature.role)
            if payload is None or payload.version != signature.version:
                return False
            return signature.keyid in self._signers_of(SignedPayload(payload, (signature,)), known)

    def publish(self, pieces: Iterable[SignedPayload], now: datetime) -> None:
        """Write signed metadata, a new snapshot and a new timestamp; again changes nothing.

        Raises StaleSignature if a version has been taken, or a threshold is not met.
        """
        with self._lock:
            found = [piece for piece in pieces if not self._is_published(piece.payload)]
            known = {piece.payload.role: piece.payload for piece in found}
            for piece in found:
                role, payload = piece.payload.role, piece.payload
                signers = self._signers_of(piece, known)
                if not self.is_next(payload) or len(signers) < payload.threshold:
                    raise StaleSignature(f"{role} version {payload.version} cannot be published", field="signatures")
            for piece in found:
                self._write(f"{piece.payload.version}.{piece.payload.role}.json", _assemble(piece))
            if found:
                self._republish({piece.payload.role: piece.payload.version for piece in found}, now)

    def renew(self, now: datetime) -> bool:
        """Sign timestamp and snapshot anew where half of their life is over; return whether that was due.

        Not due before the ceremony. Raises NoRoot if the root names other online keys than this hub's.
        """
        with self._lock:
            if not (self._folder / "1.root.json").exists():
                return False
            self._check_keys()
            old = self._newest_timestamp()
            if old is None:
                self._republish({"targets": 1}, now)
                return True
            snapshot = self._newest_snapshot(old)
            if snapshot.expires - now < SNAPSHOT_LIFETIME / 2:
                self._republish({}, now)
                return True
            if old.expires - now < TIMESTAMP_LIFETIME / 2:
                self._write_timestamp(old.version + 1, old.snapshot_meta, now)
                return True
            return False

    def _republish(self, changed: Mapping[str, int], now: datetime) -> None:
        old = self._newest_timestamp()
        before = self._newest_snapshot(old) if old else Snapshot(version=1, meta={})
        meta = dict(before.meta)
        for role, version in changed.items():
            meta[f"{role}.json"] = MetaFile.from_data(version, self.file(f"{version}.{role}.json"), ["sha256"])
        version = before.version + 1 if old else 1
        data = _sign(Snapshot(version=version, expires=now + SNAPSHOT_LIFETIME, meta=meta), self._snapshot)
        self._write(f"{version}.snapshot.json", data)
        self._write_timestamp(old.version + 1 if old else 1, MetaFile.from_data(version, data, ["sha256"]), now)

    def _write_timestamp(self, version: int, snapshot: MetaFile, now: datetime) -> None:
        timestamp = Timestamp(version=version, expires=now + TIMESTAMP_LIFETIME, snapshot_meta=snapshot)
        self._write("timestamp.json", _sign(timestamp, self._timestamp))

    def _check_keys(self) -> None:
        root = self._root()
        for name, signer in (("timestamp", self._timestamp), ("snapshot", self._snapshot)):
            if signer.public_key.keyid not in root.roles[name].keyids:
                raise NoRoot(f"the root of trust does not name this hub's {name} key", field="tuf")

    def _root(self) -> Root:
        return Metadata[Root].from_bytes(self.root_bytes()).signed

    def _newest_timestamp(self) -> Timestamp | None:
        place = self._folder / "timestamp.json"
        return Metadata[Timestamp].from_bytes(place.read_bytes()).signed if place.exists() else None

    def _newest_snapshot(self, timestamp: Timestamp) -> Snapshot:
        return Metadata[Snapshot].from_bytes(self.file(f"{timestamp.snapshot_meta.version}.snapshot.json")).signed

    def _published(self, role: str) -> Targets | None:
        timestamp = self._newest_timestamp()
        meta = self._newest_snapshot(timestamp).meta.get(f"{role}.json") if timestamp else None
        return Metadata[Targets].from_bytes(self.file(f"{meta.version}.{role}.json")).signed if meta else None

    def _is_published(self, payload: SigningPayload) -> bool:
        published = self._published(payload.role)
        return published is not None and Metadata(published).signed_bytes == payload.signed

    def _signers_of(self, piece: SignedPayload, known: Mapping[str, SigningPayload]) -> set[str]:
        """Key ids of the delegator's keys whose signatures hold; the delegator may itself be about to be published."""
        role = piece.payload.role
        delegator: Root | Targets | None = self._root() if role == "targets" else self._published("targets")
        if role != "targets" and "targets" in known:
            delegator = _targets(known["targets"].signed)
        if delegator is None:
            return set()
        signatures = {draft.keyid: Signature(draft.keyid, draft.signature) for draft in piece.signatures}
        return set(delegator.get_verification_result(role, piece.payload.signed, signatures).signed)

    def _write(self, name: str, data: bytes) -> None:
        draft = self._folder / f".{name}.new"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._folder / name)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delegating(top: Targets, model: str, now: datetime) -> Targets:
    """The next top-level targets, which let the keys for new models release this one too."""
    names = top.unrecognized_fields[RELEASE_FIELD]
    keys = {keyid: Key.from_dict(keyid, copy.deepcopy(key)) for keyid, key in names["keys"].items()}
    role = DelegatedRole(
        name=role_of(model), keyids=sorted(keys), threshold=names["threshold"], terminating=True, paths=[f"{model}/*/*"]
    )
    fresh = copy.deepcopy(top)
    old = fresh.delegations
    fresh.delegations = Delegations(
        {**(old.keys if old else {}), **keys}, {**((old.roles or {}) if old else {}), role.name: role}
    )
    fresh.version, fresh.expires = top.version + 1, now + RELEASE_LIFETIME
    return fresh


def _releasing(published: Targets | None, targets: Mapping[str, tuple[int, str]], now: datetime) -> Targets:
    fresh = copy.deepcopy(published) if published else Targets(version=1)
    fresh.version = published.version + 1 if published else 1
    fresh.expires = now + RELEASE_LIFETIME
    for path, (length, sha256) in targets.items():
        fresh.targets[path] = TargetFile(length, {"sha256": sha256}, path)
    return fresh


def _payload(role: str, targets: Targets, rule: Any) -> SigningPayload:
    return SigningPayload(
        role=role,
        version=targets.version,
        signed=Metadata(targets).signed_bytes,
        keyids=tuple(rule.keyids),
        threshold=rule.threshold,
    )


def _targets(signed: bytes) -> Targets:
    return Targets.from_dict(json.loads(signed, strict=False))


def _assemble(piece: SignedPayload) -> bytes:
    signatures = {draft.keyid: Signature(draft.keyid, draft.signature) for draft in piece.signatures}
    return Metadata(_targets(piece.payload.signed), signatures).to_bytes()


def _sign(signed: S, signer: CryptoSigner) -> bytes:
    metadata = Metadata(signed)
    metadata.sign(signer)
    return metadata.to_bytes()
