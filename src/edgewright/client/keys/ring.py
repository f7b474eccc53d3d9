"""The key ring: which keys this machine can sign with, what each is for and where it lives. Public facts only.

It may hold all of an operator's keys or one person's alone: the hub's roles say who must sign, not the ring.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.contract.api import PublicKey
from edgewright.contract.errors import InvalidInput
from edgewright.contract.whole import write_whole

FORMAT = 1
FILE_NAME = "keyring.json"
MODEL_SIGNING = "model-signing"
ROLES = ("root", "targets", "release", MODEL_SIGNING)
SCHEMES = {MODEL_SIGNING: "ecdsa-sha2-nistp256"}
"""What a role's keys are, where it is not Ed25519: OpenSSF Model Signing takes ECDSA P-256."""


class HeldKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that this machine can sign with. `model` binds a release key to one model; "" is for all."""

    name: str
    role: str
    kind: str
    place: str
    public: PublicKey
    model: str = ""

    def may_sign(self, tuf_role: str) -> bool:
        """Whether the key is for a TUF role, whatever a hub asks of it."""
        if self.role == "release":
            return tuf_role == f"release-{self.model}" if self.model else tuf_role.startswith("release-")
        return self.role != MODEL_SIGNING and tuf_role == self.role


class KeyRing(msgspec.Struct, frozen=True, kw_only=True):
    """All keys of one ring, in the order in which they came."""

    format: int = FORMAT
    keys: tuple[HeldKey, ...] = ()

    def with_key(self, key: HeldKey) -> KeyRing:
        """The ring and one key more."""
        return KeyRing(keys=(*self.keys, key))

    def free_name(self, role: str) -> str:
        """The next name for a key of that role: 'release-2' after 'release-1'."""
        taken = {key.name for key in self.keys}
        return next(name for number in range(1, len(taken) + 2) if (name := f"{role}-{number}") not in taken)


def read_ring(folder: Path) -> KeyRing:
    """The ring in `folder`, an empty one where there is none; raises InvalidInput."""
    path = folder / FILE_NAME
    try:
        ring = msgspec.json.decode(path.read_bytes(), type=KeyRing)
    except FileNotFoundError:
        return KeyRing()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {path}: {error}", field="keys") from error
    if ring.format != FORMAT:
        raise InvalidInput(f"{path} has the format {ring.format}; this program reads {FORMAT}", field="keys")
    return ring


def write_ring(folder: Path, ring: KeyRing) -> None:
    """Replace the ring in `folder` as a whole."""
    write_whole(folder / FILE_NAME, msgspec.json.format(msgspec.json.encode(ring), indent=2), mode=0o644)
