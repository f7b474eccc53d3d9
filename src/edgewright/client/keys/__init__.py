"""The operator's keys: a ring that says which keys are here, kinds of places where they live, and what they sign."""

from edgewright.client.keys.ceremony import KeysInUse, ceremony, first_edits
from edgewright.client.keys.kinds import KeyKind, KeyUnreadable, NoOperatorKeys, Vault
from edgewright.client.keys.operator import OperatorKeys
from edgewright.client.keys.ring import MODEL_SIGNING, ROLES, HeldKey, KeyRing, read_ring

__all__ = [
    "MODEL_SIGNING",
    "ROLES",
    "HeldKey",
    "KeyKind",
    "KeyRing",
    "KeyUnreadable",
    "KeysInUse",
    "NoOperatorKeys",
    "OperatorKeys",
    "Vault",
    "ceremony",
    "first_edits",
    "read_ring",
]
