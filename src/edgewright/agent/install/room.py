"""Whether an install has room on this disk, before a byte of it is fetched. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from edgewright.agent.install.ways import Ways, files_of
from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Fetch


@dataclass(frozen=True)
class Room:
    """What the disk has free, what the agent's folder takes of it, and the bounds to both (0: no bound).

    `is_linking` says whether two names may share one content there; where not, what is fetched is copied to the slot.
    """

    free_bytes: int
    used_bytes: int = 0
    max_bytes: int = 0
    reserve_bytes: int = 0
    is_linking: bool = True


def no_room(manifest: Manifest, fetches: tuple[Fetch, ...], held: Container[str], room: Room) -> str:
    """Why there is no room for the install; '' where there is. `held` are digests that another model's slot holds."""
    needed = needed_bytes(manifest, fetches, held, is_linking=room.is_linking)
    if room.free_bytes - room.reserve_bytes < needed:
        kept = f", of which {room.reserve_bytes} are kept free" if room.reserve_bytes else ""
        return f"the install needs {needed} bytes of disk, {room.free_bytes} are free{kept}"
    if room.max_bytes and room.used_bytes + needed > room.max_bytes:
        return (
            f"the install needs {needed} bytes of disk beside the {room.used_bytes} that the agent takes; "
            f"it may take {room.max_bytes}"
        )
    return ""


def needed_bytes(
    manifest: Manifest, fetches: tuple[Fetch, ...] = (), held: Container[str] = (), *, is_linking: bool = True
) -> int:
    """Disk space that an install takes at its fullest, beside what lies on the device now.

    Where names may be linked, the slot's files are second names of the fetched ones, and what another model holds
    already takes no room again.
    """
    files = files_of(manifest)
    names = 1 if is_linking else 2
    files_bytes = names * sum(file.size_bytes for file in files if not (is_linking and file.sha256 in held))
    return files_bytes + Ways(fetches, manifest).working_bytes() + 2 * manifests.MAX_MANIFEST_BYTES
