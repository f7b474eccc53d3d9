"""Ceremonies: of one person on one machine at a hub's first start, and of several by a file that goes round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from securesystemslib.signer import Key

from edgewright.client.keys.operator import OperatorKeys
from edgewright.client.keys.ring import HeldKey
from edgewright.contract.api import KeyEdit, KeySigningRequest, SignatureDraft, SigningPayload
from edgewright.contract.errors import Conflict
from edgewright.contract.keychange import ROOT_THRESHOLD, Published, assemble, draft_change
from edgewright.contract.publickey import to_public
from edgewright.contract.whole import write_whole

FORMAT = 1


class KeysInUse(Conflict):
    code = "keys_in_use"
    hint = "Give this hub a folder of its own, or move the old keys away."


class Ceremony(msgspec.Struct, frozen=True, kw_only=True):
    """A change on its way between machines: what has to be signed, and the signatures so far."""

    format: int = FORMAT
    request: KeySigningRequest
    signatures: tuple[SignatureDraft, ...] = ()

    def with_signatures(self, drafts: Iterable[SignatureDraft]) -> Ceremony:
        """The same and these signatures; one of the same key replaces the one before."""
        by_key = {(draft.role, draft.keyid): draft for draft in (*self.signatures, *drafts)}
        return msgspec.structs.replace(self, signatures=tuple(by_key.values()))


def write_ceremony(path: Path, ceremony: Ceremony) -> None:
    """Write the file as a whole; nothing in it is secret."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(ceremony), indent=2), mode=0o644)


def ceremony(
    operator_dir: Path, hub_tuf_dir: Path, online: Mapping[str, Key], now: datetime, *, passphrase: str = ""
) -> bool:
    """Make the operator's keys and the hub's root of trust, once; return whether it was done now.

    `online` has the hub's public keys: timestamp, snapshot, director and audit. Only public metadata reaches
    `hub_tuf_dir`, and the root last: where there is a root, all is there. Keys that a ceremony left behind when it
    was cut off are taken; raises KeysInUse for keys that have signed for another hub.
    """
    if (hub_tuf_dir / "1.root.json").exists():
        return False
    keys = OperatorKeys(operator_dir, passphrase)
    if keys.has_signed:
        raise KeysInUse(f"the keys in {operator_dir} have signed for another hub", field="keys")
    keys.create()
    hub_tuf_dir.mkdir(parents=True, exist_ok=True)
    root, targets = draft_change(Published(), first_edits(keys.held(), online), now)
    for payload in (targets, root):
        write_whole(hub_tuf_dir / f"1.{payload.role}.json", _signed(payload, keys), mode=0o644)
    for payload in (targets, root):
        keys.remember(payload)
    return True


def first_edits(
    held: Iterable[HeldKey],
    online: Mapping[str, Key],
    *,
    release_threshold: int = 1,
) -> tuple[KeyEdit, ...]:
    """The change that names everybody's keys, of one ring or of many: from it first root and targets are drafted."""
    keys = list(held)
    thresholds = {"root": ROOT_THRESHOLD, "targets": 1, "release": release_threshold}
    edits = [
        KeyEdit(role=role, add=tuple(key.public for key in keys if key.role == role), threshold=threshold)
        for role, threshold in thresholds.items()
    ]
    return (*edits, *(KeyEdit(role=name, add=(to_public(key),)) for name, key in online.items()))


def _signed(payload: SigningPayload, keys: OperatorKeys) -> bytes:
    """The metadata with the signatures of all keys that may; unlike `keys.sign` it leaves no memory of a hub yet."""
    signers = [keys.signer(key.name) for key in keys.held() if key.may_sign(payload.role)]
    drafts = [
        SignatureDraft(
            role=payload.role,
            version=payload.version,
            keyid=signer.public_key.keyid,
            signature=signer.sign(payload.signed).signature,
        )
        for signer in signers
    ]
    return assemble(payload, drafts)
