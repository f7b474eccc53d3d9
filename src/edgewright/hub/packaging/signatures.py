"""Who has signed a payload, whose signatures it still lacks, and whom a root names. Pure."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

from securesystemslib.signer import Key, Signature
from tuf.api.metadata import Root, Targets

from edgewright.contract.api import SignatureDraft, SigningPayload
from edgewright.contract.keychange import DELEGATED_ONLINE, NAMED_ONLINE
from edgewright.contract.trusted import ONLINE_FIELD


@dataclass(frozen=True)
class SignedPayload:
    """A payload with the signatures that people made over it."""

    payload: SigningPayload
    signatures: tuple[SignatureDraft, ...]


def root_of(payload: SigningPayload) -> Root:
    """The root that is to be signed."""
    return Root.from_dict(json.loads(payload.signed, strict=False))


def targets_of(payload: SigningPayload) -> Targets:
    """The top-level targets, or a release role, that are to be signed."""
    return Targets.from_dict(json.loads(payload.signed, strict=False))


def signed_by(ruler: Root | Targets, piece: SignedPayload) -> set[str]:
    """Key ids of the ruler's keys whose signatures hold."""
    signatures = {draft.keyid: Signature(draft.keyid, draft.signature) for draft in piece.signatures}
    try:
        return set(ruler.get_verification_result(piece.payload.role, piece.payload.signed, signatures).signed)
    except ValueError:  # it delegates nothing to this role
        return set()


def lack_of(ruler: Root | Targets, piece: SignedPayload) -> str:
    """How many signatures of which keys the ruler still wants, in words; "" for none."""
    try:
        rule = ruler.get_delegated_role(piece.payload.role)
    except ValueError:
        return "nobody may sign it"
    signed = signed_by(ruler, piece)
    if len(signed) >= rule.threshold:
        return ""
    others = ", ".join(keyid[:12] for keyid in rule.keyids if keyid not in signed)
    return f"{rule.threshold - len(signed)} of {others}"


def online_of(root: Root) -> dict[str, dict[str, Key]]:
    """The online keys that a root names, by role and key id."""
    keys = {name: {keyid: root.keys[keyid] for keyid in root.roles[name].keyids} for name in DELEGATED_ONLINE}
    named = root.unrecognized_fields[ONLINE_FIELD]
    return keys | {
        name: {keyid: Key.from_dict(keyid, copy.deepcopy(key)) for keyid, key in named[name].items()}
        for name in NAMED_ONLINE
    }
