"""The bundle: what devices without a network get on a stick, as a plain folder that is read in place.

See docs/reference/bundle.md.

    orders/<device>      the director's order for one device, sealed as ORDER_TYPE
    tuf/<name>           the hub's signed metadata, under the names by which the hub serves it
    blobs/<sha256>       manifests, files and deltas by digest; one above PART_BYTES as <sha256>.000, .001, …

Nothing in it is believed for being there: it holds the same signed bytes that come over the air.
"""

from __future__ import annotations

from pathlib import Path

ORDER_TYPE = "application/vnd.edgewright.bundle-order+json"
"""An order of the director without a nonce. It is a type of its own, so that neither can be taken for the other."""
ORDERS, TUF, BLOBS = "orders", "tuf", "blobs"
PART_BYTES = 2 * 1024**3
"""FAT holds files of less than 4 GiB."""
MAX_PARTS = 8


def part_names(sha256: str, size_bytes: int) -> list[str]:
    """The file names of a blob of that length, in order."""
    if size_bytes <= PART_BYTES:
        return [sha256]
    return [f"{sha256}.{number:03d}" for number in range(-(-size_bytes // PART_BYTES))]


def find_parts(folder: Path, sha256: str) -> list[Path]:
    """Where a blob lies in the bundle `folder`; empty where it is not there."""
    whole = folder / BLOBS / sha256
    if whole.exists():
        return [whole]
    parts = [folder / BLOBS / f"{sha256}.{number:03d}" for number in range(MAX_PARTS)]
    return [part for part in parts if part.exists()]
