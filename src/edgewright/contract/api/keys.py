"""Keys: who may sign what, and changes of that which await signatures."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.api.releases import SigningPayload


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """The public half of a key, as TUF writes it (§4.2); `keyid` is the SHA-256 of the other three."""

    keyid: str
    keytype: str
    scheme: str
    public: str


class RoleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One signed role as devices see it now: `threshold` of its keys sign.

    `release` stands for the keys that new models begin with. `version` is 0 and `expires_at` None where a role signs
    no metadata of its own. `problem` says what is wrong with it, "" for nothing.
    """

    role: str
    version: int
    threshold: int
    keys: tuple[PublicKey, ...]
    is_online: bool
    expires_at: float | None = None
    problem: str = ""


class KeyEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What changes in one role: `root`, `targets`, `release-<model>`, or `release` for all models, later ones too.

    `remove` names key ids; `threshold` 0 leaves it as it is. For all models, an edit with `remove` changes those that
    have such a key, and an edit without it changes all.
    """

    role: str
    add: tuple[PublicKey, ...] = ()
    remove: tuple[str, ...] = ()
    threshold: int = 0


class KeyChangeDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Edits of people's roles; online roles for which the hub makes new keys; `renew` signs all for another year."""

    edits: tuple[KeyEdit, ...] = ()
    online: tuple[str, ...] = ()
    renew: bool = False
    note: str = ""


class KeyChangeState(StrEnum):
    DRAFT = "draft"  # signatures are missing
    PUBLISHED = "published"  # devices follow it
    DROPPED = "dropped"  # withdrawn, or overtaken: there is nothing left of it to sign


class RoleSigning(msgspec.Struct, frozen=True, kw_only=True):
    """How far one piece of metadata is signed: `missing` says in words what it lacks, "" for nothing."""

    role: str
    version: int
    threshold: int
    keyids: tuple[str, ...]  # who may sign
    signed: tuple[str, ...]  # who has
    missing: str = ""


class KeyChangeRecord(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    state: KeyChangeState
    edits: tuple[KeyEdit, ...]
    online: tuple[str, ...]
    renew: bool
    note: str
    author: str
    created_at: float
    pieces: tuple[RoleSigning, ...]


class KeySigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What of a change awaits offline signatures, byte for byte."""

    change: KeyChangeRecord
    payloads: tuple[SigningPayload, ...]
