"""Presence: devices as their doors see them; sessions, nonces, heartbeats, and what is remembered between check-ins."""

from edgewright.hub.fleet.presence.heartbeats import FLUSH_EVERY_S
from edgewright.hub.fleet.presence.memory import Memory
from edgewright.hub.fleet.presence.service import Presence, Signed, lives_hash, told_hash
from edgewright.hub.fleet.presence.sessions import Opened, digest_of, digest_of_bytes

__all__ = [
    "FLUSH_EVERY_S",
    "Memory",
    "Opened",
    "Presence",
    "Signed",
    "digest_of",
    "digest_of_bytes",
    "lives_hash",
    "told_hash",
]
