"""The operator's keys: they make the root of trust and sign releases, and never leave the operator's folder."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key
from tuf.api.metadata import Delegations, Metadata, Root, Targets

from edgewright.contract.api import SignatureDraft, SigningPayload
from edgewright.contract.errors import Conflict, HostileInput, InvalidInput, NotFound
from edgewright.contract.trusted import ONLINE_FIELD, RELEASE_FIELD, ROLE_PREFIX

ROOT_NAMES = ("root-1", "root-2", "root-3")
ROOT_THRESHOLD = 2
RELEASE_NAMES = ("release-1",)
RELEASE_THRESHOLD = 1
LIFETIME = timedelta(days=365)


class NoOperatorKeys(NotFound):
    code = "no_operator_keys"
    hint = "`edgewright hub up` makes them on its first start; name their folder with --keys."


class KeysInUse(Conflict):
    code = "keys_in_use"
    hint = "Give this hub a folder of its own, or move the old keys away."


class OperatorKeys:
    """Ed25519 keys in PEM files of mode 0600: three for the root (two must sign), one for targets, one for releases.

    Each key signs only what it is for, whatever a hub asks: root keys the root, the targets key who may release
    what, release keys releases.
    """

    def __init__(self, folder: Path, passphrase: str = "") -> None:
        self._folder = folder
        self._passphrase = passphrase.encode()

    @property
    def exists(self) -> bool:
        """Whether the keys have been made."""
        return (self._folder / "root-1.pem").exists()

    @property
    def has_signed(self) -> bool:
        """Whether these keys have signed for a hub already."""
        return any(self._folder.glob("*.signed"))

    def create(self) -> None:
        """Make all keys, or change nothing where they exist. Raises Conflict if the folder holds something else."""
        if self.exists:
            return
        if self._folder.exists() and any(self._folder.iterdir()):
            raise Conflict(f"{self._folder} is not empty and holds no operator keys", field="keys")
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".keys-", dir=self._folder.parent))  # mode 0700
        try:
            for name in (*ROOT_NAMES, "targets", *RELEASE_NAMES):
                _write(draft / f"{name}.pem", self._pem(Ed25519PrivateKey.generate()), mode=0o600)
            draft.rename(self._folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def release_keys(self) -> dict[str, Key]:
        """The public halves of the release keys, by key id."""
        return _public(self._signers(RELEASE_NAMES))

    def root_metadata(self, online: Mapping[str, Key], now: datetime) -> bytes:
        """Root version 1, signed. `online` has the hub's public keys: timestamp, snapshot, director and audit."""
        signers = self._signers(ROOT_NAMES)
        root = Root(version=1, expires=now + LIFETIME, consistent_snapshot=True)
        for signer in signers:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = ROOT_THRESHOLD
        root.add_key(self._signer("targets").public_key, "targets")
        for name in ("timestamp", "snapshot"):
            root.add_key(online[name], name)
        root.unrecognized_fields[ONLINE_FIELD] = {
            name: {online[name].keyid: online[name].to_dict()} for name in ("director", "audit")
        }
        return _signed(Metadata(root), signers)

    def first_targets(self, now: datetime) -> bytes:
        """Top-level targets version 1, signed: it delegates nothing yet, and names the keys for new models."""
        keys = {keyid: key.to_dict() for keyid, key in self.release_keys().items()}
        targets = Targets(version=1, expires=now + LIFETIME, delegations=Delegations({}, {}))
        targets.unrecognized_fields[RELEASE_FIELD] = {"threshold": RELEASE_THRESHOLD, "keys": keys}
        return _signed(Metadata(targets), [self._signer("targets")])

    def sign(self, payload: SigningPayload) -> list[SignatureDraft]:
        """Sign with every key held here that the payload asks for and that is for its role.

        Raises HostileInput for a payload that is not what it says, or older than one that was signed here before.
        """
        self._check(payload, _parse(payload))
        drafts = [
            SignatureDraft(
                role=payload.role,
                version=payload.version,
                keyid=signer.public_key.keyid,
                signature=signer.sign(payload.signed).signature,
            )
            for signer in self._signers(_names_for(payload.role))
            if signer.public_key.keyid in payload.keyids
        ]
        if drafts:
            _write(self._memory(payload.role), payload.signed, mode=0o600)
        return drafts

    def describe(self, payload: SigningPayload) -> list[str]:
        """Say in sentences what would be signed, against what was signed here last for the same role."""
        signed = _parse(payload)
        self._check(payload, signed)
        before = self._last_signed(payload.role)
        lines = [f"{payload.role} version {payload.version}, good until {signed['expires']}"]
        lines += _changes("path", _paths(before), _paths(signed))
        lines += _changes("delegation", _delegations(before), _delegations(signed))
        return lines

    def _check(self, payload: SigningPayload, signed: dict[str, Any]) -> None:
        kind = payload.role if payload.role in ("root", "targets") else "targets"
        if signed.get("_type") != kind or signed.get("version") != payload.version:
            raise HostileInput(f"the bytes to sign are not {payload.role} version {payload.version}", field="signed")
        paths, model = _paths(signed), payload.role.removeprefix(ROLE_PREFIX)
        strays = [path for path in paths if payload.role == "targets" or not path.startswith(f"{model}/")]
        if strays:
            raise HostileInput(f"{payload.role} may not name '{strays[0]}'", field="signed")
        before = self._last_signed(payload.role).get("version", 0)
        if payload.version < before:
            raise HostileInput(f"{payload.role} version {before} was signed here before", field="version")

    def _last_signed(self, role: str) -> dict[str, Any]:
        place = self._memory(role)
        return json.loads(place.read_bytes(), strict=False) if place.exists() else {}

    def _memory(self, role: str) -> Path:
        return self._folder / f"{role}.signed"

    def _signers(self, names: tuple[str, ...]) -> list[CryptoSigner]:
        return [self._signer(name) for name in names]

    def _signer(self, name: str) -> CryptoSigner:
        try:
            pem = (self._folder / f"{name}.pem").read_bytes()
        except FileNotFoundError as error:
            raise NoOperatorKeys(f"there is no operator key '{name}' in {self._folder}", field="keys") from error
        try:
            key = load_pem_private_key(pem, password=self._passphrase or None)
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"the operator key '{name}' cannot be opened: {error}", field="passphrase") from error
        return CryptoSigner(key)

    def _pem(self, key: Ed25519PrivateKey) -> bytes:
        lock = BestAvailableEncryption(self._passphrase) if self._passphrase else NoEncryption()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def ceremony(
    operator_dir: Path, hub_tuf_dir: Path, online: Mapping[str, Key], now: datetime, *, passphrase: str = ""
) -> bool:
    """Make the operator's keys and the hub's root of trust, once; return whether it was done now.

    Only public metadata reaches `hub_tuf_dir`, and the root last: where there is a root, all is there. Keys that a
    ceremony left behind when it was cut off are taken; raises KeysInUse for keys that have signed for another hub.
    """
    root_place = hub_tuf_dir / "1.root.json"
    if root_place.exists():
        return False
    keys = OperatorKeys(operator_dir, passphrase)
    if keys.has_signed:
        raise KeysInUse(f"the keys in {operator_dir} have signed for another hub", field="keys")
    keys.create()
    hub_tuf_dir.mkdir(parents=True, exist_ok=True)
    _write(hub_tuf_dir / "1.targets.json", keys.first_targets(now), mode=0o644)
    _write(root_place, keys.root_metadata(online, now), mode=0o644)
    return True


def _names_for(role: str) -> tuple[str, ...]:
    if role == "root":
        return ROOT_NAMES
    return RELEASE_NAMES if role.startswith(ROLE_PREFIX) else ("targets",)


def _public(signers: list[CryptoSigner]) -> dict[str, Key]:
    return {signer.public_key.keyid: signer.public_key for signer in signers}


def _signed(metadata: Metadata[Any], signers: list[CryptoSigner]) -> bytes:
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def _parse(payload: SigningPayload) -> dict[str, Any]:
    if payload.role not in ("root", "targets") and not payload.role.startswith(ROLE_PREFIX):
        raise HostileInput(f"'{payload.role}' is no role of people", field="role")
    if "/" in payload.role:
        raise HostileInput(f"'{payload.role}' is no plain role name", field="role")
    try:
        signed: dict[str, Any] = json.loads(payload.signed, strict=False)
        (Root if payload.role == "root" else Targets).from_dict(copy.deepcopy(signed))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HostileInput("the bytes to sign are no TUF metadata", field="signed") from error
    return signed


def _paths(signed: dict[str, Any]) -> dict[str, str]:
    return {path: file["hashes"].get("sha256", "no SHA-256") for path, file in signed.get("targets", {}).items()}


def _delegations(signed: dict[str, Any]) -> dict[str, str]:
    roles = (signed.get("delegations") or {}).get("roles", [])
    return {
        f"{', '.join(role.get('paths', []))} to {role['name']}": (
            f"{role['threshold']} of the keys {', '.join(keyid[:12] for keyid in role['keyids'])}"
        )
        for role in roles
    }


def _changes(what: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    added = [f"adds {what} {name}: {after[name]}" for name in after if name not in before]
    removed = [f"removes {what} {name}: {before[name]}" for name in before if name not in after]
    changed = [
        f"changes {what} {name}: {before[name]} becomes {after[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return [*added, *removed, *changed]


def _write(path: Path, data: bytes, *, mode: int) -> None:
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
