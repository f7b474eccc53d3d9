"""Fuzz target: TUF metadata of every role, as it comes from the network, and as stolen keys would sign it.

The first byte says which role, and whether the rest is a whole file or a signed part that gets good signatures.
"""

from __future__ import annotations

import json
import random

from securesystemslib.formats import encode_canonical

from edgewright.contract.errors import HostileInput
from edgewright.contract.trusted import TrustedSet, role_of
from hostile.mutants import json_mutant
from hostile.signed import NOW, Hub, manifest_bytes

HUB = Hub()
ROLE = role_of("digits")
SIGNERS = {
    "root": ("root-1", "root-2", "root-3"),
    "timestamp": ("timestamp",),
    "snapshot": ("snapshot",),
    "targets": ("targets",),
    ROLE: ("release-1", "release-2"),
}
NAMES = tuple(SIGNERS)
SIGNED_BIT = 0x80


def _sets() -> dict[str, TrustedSet]:
    """For each role, a set that lacks it alone."""
    rooted = TrustedSet.from_root(HUB.root(1))
    stamped = rooted.update_timestamp(HUB.timestamp(), NOW)
    snapped = stamped.update_snapshot(HUB.snapshot(), NOW)
    delegating = snapped.update_targets(HUB.targets(), NOW)
    return {"root": rooted, "timestamp": rooted, "snapshot": stamped, "targets": snapped, ROLE: delegating}


SETS = _sets()


def consume(data: bytes) -> None:
    """A role that is believed can be asked for everything that a device asks, and HostileInput is all that it says."""
    if not data:
        return
    role = NAMES[(data[0] & ~SIGNED_BIT) % len(NAMES)]
    file = _signed(role, data[1:]) if data[0] & SIGNED_BIT else data[1:]
    try:
        trusted = _updated(SETS[role], role, file)
        trusted.named(role)
        trusted.target("digits/3/cpu-int8.json")
        trusted.director_keys()
        trusted.audit_keys()
        if role != "root":
            trusted.update_snapshot(HUB.snapshot(), NOW).update_targets(HUB.targets(), NOW)
    except HostileInput:
        return


def _updated(trusted: TrustedSet, role: str, file: bytes) -> TrustedSet:
    match role:
        case "root":
            return trusted.update_root(file)
        case "timestamp":
            return trusted.recall_timestamp(file).update_timestamp(file, NOW)
        case "snapshot":
            return trusted.recall_snapshot(file).update_snapshot(file, NOW)
        case "targets":
            return trusted.update_targets(file, NOW)
        case _:
            return trusted.update_delegated(role, file, NOW)


def _signed(role: str, part: bytes) -> bytes:
    """The file that the role's rightful keys would make of this signed part; as it is where they could not."""
    try:
        tree = json.loads(part)
        canonical = encode_canonical(tree).encode()
    except Exception:  # the library has no bytes for it, so nobody can sign it
        return part
    signatures = [HUB.keys[name].sign(canonical).to_dict() for name in SIGNERS[role]]
    return json.dumps({"signed": tree, "signatures": signatures}).encode()


def seeds() -> dict[str, bytes]:
    """Honest files, whole and as signed parts."""
    files = {
        "root": HUB.root(2),
        "timestamp": HUB.timestamp(),
        "snapshot": HUB.snapshot(),
        "targets": HUB.targets(),
        ROLE: HUB.release(manifest_bytes()),
    }
    found: dict[str, bytes] = {}
    for number, (role, file) in enumerate(files.items()):
        found[f"{role}-whole"] = bytes([number]) + file
        part = json.dumps(json.loads(file)["signed"], separators=(",", ":")).encode()
        found[f"{role}-signed"] = bytes([number | SIGNED_BIT]) + part
    return found


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of the JSON; now and then for another role."""
    head = bytes([chance.randrange(256)]) if chance.random() < 0.1 else data[:1]
    return head + json_mutant(chance, data[1:])
