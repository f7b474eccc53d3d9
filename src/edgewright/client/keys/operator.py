"""The operator's keys: they make the root of trust and sign releases, and never leave the operator's machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Key, Signer

from edgewright.client.keys.kinds import NoOperatorKeys, Vault, open_kind
from edgewright.client.keys.payload import Signed, beyond_release, changes, paths_of, read_payload
from edgewright.client.keys.ring import FILE_NAME, ROLES, SCHEMES, HeldKey, read_ring, write_ring
from edgewright.contract.api import SignatureDraft, SigningPayload
from edgewright.contract.errors import Conflict, HostileInput, InvalidInput
from edgewright.contract.manifest import is_plain_name
from edgewright.contract.publickey import to_key, to_public
from edgewright.contract.whole import write_whole

RELEASED = "released.json"
FIRST_KEYS = (
    ("root-1", "root"),
    ("root-2", "root"),
    ("root-3", "root"),
    ("targets", "targets"),
    ("release-1", "release"),
    ("model-signing", "model-signing"),
)
"""What one person on one machine begins with: two of the root's three sign, and one release key alone."""


class OperatorKeys:
    """A folder with a key ring, the keys of the kind 'file', and what was signed last for each role.

    Each key signs only what it is for, whatever a hub asks: root keys the root, targets keys who may release what,
    release keys releases. `passphrase` opens the files; `environment` has what other kinds need; `clock` is
    in seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        passphrase: str = "",
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._environment = environment
        self._clock = clock

    @property
    def folder(self) -> Path:
        """Where the ring lies."""
        return self._folder

    @property
    def exists(self) -> bool:
        """Whether there is a key ring."""
        return (self._folder / FILE_NAME).exists()

    @property
    def has_signed(self) -> bool:
        """Whether these keys have signed for a hub already."""
        return any(self._folder.glob("*.signed"))

    def create(self) -> None:
        """Make FIRST_KEYS, or change nothing where there is a ring. Raises Conflict for a folder in other use."""
        if self.exists:
            return
        if self._folder.exists() and any(self._folder.iterdir()):
            raise Conflict(f"{self._folder} is not empty and holds no operator keys", field="keys")
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".keys-", dir=self._folder.parent))  # mode 0700
        try:
            keys = OperatorKeys(draft, self._passphrase, self._environment)
            for name, role in FIRST_KEYS:
                keys.make(role, name=name)
            draft.rename(self._folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def make(self, role: str, *, name: str = "", kind: str = "file", model: str = "") -> HeldKey:
        """Make a key and put it on the ring, under the next free name if none is given; the folder is made too.

        `model` binds a release key to one model. Raises InvalidInput, Conflict, and what the kind raises.
        """
        ring = read_ring(self._folder)
        name = name or ring.free_name(role)
        if role not in ROLES:
            raise InvalidInput(f"there are no keys for '{role}'; there are for {', '.join(ROLES)}", field="role")
        if not is_plain_name(name) or not name.replace("-", "").isalnum():
            raise InvalidInput(f"'{name}' is no name for a key", field="name", hint="Use letters, digits and -.")
        if any(key.name == name for key in ring.keys):
            raise Conflict(f"the ring has a key '{name}' already", field="name")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place, public = open_kind(kind, self._vault()).make(name, SCHEMES.get(role, "ed25519"))
        to_key(to_public(public))  # a key of a kind's own making may be none that a hub takes
        held = HeldKey(name=name, role=role, kind=kind, place=place, public=to_public(public), model=model)
        write_ring(self._folder, ring.with_key(held))
        return held

    def held(self, role: str = "") -> tuple[HeldKey, ...]:
        """The keys on the ring, of one role or all; raises NoOperatorKeys where there is no ring."""
        if not self.exists:
            raise NoOperatorKeys(f"there are no operator keys in {self._folder}: no {FILE_NAME}", field="keys")
        return tuple(key for key in read_ring(self._folder).keys if role in ("", key.role))

    def signer(self, name: str) -> Signer:
        """What signs with the key of that name; the key may be a file, a token or a variable.

        Raises NoOperatorKeys, KeyUnreadable. For metadata use `sign`, which looks at what it signs.
        """
        for key in self.held():
            if key.name == name:
                return self._open(key)
        raise NoOperatorKeys(f"there is no operator key '{name}' in {self._folder}", field="keys")

    def release_keys(self) -> dict[str, Key]:
        """The public halves of the release keys, by key id."""
        return {key.public.keyid: to_key(key.public) for key in self.held("release")}

    def sign(self, payload: SigningPayload) -> list[SignatureDraft]:
        """Sign with every key held here that the payload asks for and that is for its role.

        Raises HostileInput for a payload that is not what it says, or older than one that was signed here before.
        """
        self._read(payload)
        drafts = [
            SignatureDraft(
                role=payload.role,
                version=payload.version,
                keyid=key.public.keyid,
                signature=self._open(key).sign(payload.signed).signature,
            )
            for key in self.held()
            if key.public.keyid in payload.keyids and key.may_sign(payload.role)
        ]
        if drafts:
            self.remember(payload)
        return drafts

    def describe(self, payload: SigningPayload) -> list[str]:
        """Say in sentences what would be signed, against what was signed here last for the same role."""
        signed = self._read(payload)
        names = {key.public.keyid: key.name for key in self.held()}
        head = f"{payload.role} version {payload.version}, good until {signed['expires']}"
        return [head, *changes(self._last_signed(payload.role), signed, names)]

    def beyond_release(self, payload: SigningPayload, model: str, counter: int) -> list[str]:
        """What would be signed that is no part of a release, in sentences: none of it is signed by mere habit.

        It is told against what was signed here: what others have signed in between is told too.
        """
        last, signed = self._last_signed(payload.role), self._read(payload)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return beyond_release(last, signed, self._released(), model, counter, now)

    def remember(self, payload: SigningPayload) -> None:
        """Tell later payloads of this role against this one, which was signed elsewhere with these keys."""
        released = self._released() | paths_of(read_payload(payload))
        write_whole(self._folder / RELEASED, json.dumps(released, indent=1).encode(), mode=0o600)
        write_whole(self._memory(payload.role), payload.signed, mode=0o600)

    def _read(self, payload: SigningPayload) -> Signed:
        signed = read_payload(payload)
        before = self._last_signed(payload.role).get("version", 0)
        if payload.version < before:
            raise HostileInput(f"{payload.role} version {before} was signed here before", field="version")
        return signed

    def _last_signed(self, role: str) -> Signed:
        place = self._memory(role)
        return json.loads(place.read_bytes(), strict=False) if place.exists() else {}

    def _released(self) -> dict[str, str]:
        """SHA-256 by path of everything that was signed here."""
        place = self._folder / RELEASED
        return json.loads(place.read_bytes()) if place.exists() else {}

    def _memory(self, role: str) -> Path:
        return self._folder / f"{role}.signed"

    def _open(self, key: HeldKey) -> Signer:
        return open_kind(key.kind, self._vault()).open(key.place, to_key(key.public))

    def _vault(self) -> Vault:
        return Vault(self._folder, self._passphrase, self._environment)
