"""A blob's answer on its way out: which headers ask for it, and its bytes in pieces, read beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from edgewright.hub.registry.serving import Ask, BlobAnswer

OCTETS = "application/octet-stream"
CHUNK_BYTES = 256 * 1024
DIRECT = "edgewright-direct"
"""A device's header: what the hub sent it to lately did not work."""


def ask_of(headers: Mapping[str, str]) -> Ask:
    """What the headers of a request, in lower case, ask of a blob."""
    return Ask(
        range=headers.get("range", ""),
        if_range=headers.get("if-range", ""),
        if_none_match=headers.get("if-none-match", ""),
        is_direct=DIRECT in headers,
    )


def read_span(blob: BlobAnswer) -> bytes:
    """All that the answer is to carry, for a small one."""
    if blob.file is None:
        return b""
    with blob.file.open("rb") as file:
        file.seek(blob.start)
        return file.read(blob.length)


async def chunks_of(blob: BlobAnswer) -> AsyncIterator[bytes]:
    """What the answer is to carry, in pieces of CHUNK_BYTES; the disk is waited for in a thread."""
    if blob.file is None:
        return
    file = await asyncio.to_thread(blob.file.open, "rb")
    with file:
        file.seek(blob.start)
        left_bytes = blob.length
        while left_bytes and (chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, left_bytes))):
            left_bytes -= len(chunk)
            yield chunk
