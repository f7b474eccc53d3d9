"""The operator's keys: a ring that says which keys are here, kinds of places where they live, and what they sign."""

from edgewright.client.keys.ceremony import Ceremony, KeysInUse, ceremony, first_edits, write_ceremony
from edgewright.client.keys.kinds import KeyKind, KeyUnreadable, NoOperatorKeys, Vault
from edgewright.client.keys.operator import FIRST_KEYS, OperatorKeys
from edgewright.client.keys.ring import FILE_NAME as RING_FILE
from edgewright.client.keys.ring import MODEL_SIGNING, ROLES, HeldKey, KeyRing, read_ring

__all__ = [
    "FIRST_KEYS",
    "MODEL_SIGNING",
    "RING_FILE",
    "ROLES",
    "Ceremony",
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
    "write_ceremony",
]
