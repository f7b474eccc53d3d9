"""Presence: devices as their doors see them; sessions, nonces, heartbeats, and what is remembered between check-ins."""

from edgewright.hub.fleet.presence.digests import DIGEST_BYTES
from edgewright.hub.fleet.presence.heartbeats import FLUSH_EVERY_S
from edgewright.hub.fleet.presence.memory import Memory
from edgewright.hub.fleet.presence.news import Act, Told, last_turn
from edgewright.hub.fleet.presence.service import Presence, Signed, lives_hash, told_hash
from edgewright.hub.fleet.presence.sessions import Opened, digest_of

__all__ = [
    "Act",
    "Told",
    "last_turn",
    "DIGEST_BYTES",
    "FLUSH_EVERY_S",
    "Memory",
    "Opened",
    "Presence",
    "Signed",
    "digest_of",
    "lives_hash",
    "told_hash",
]
