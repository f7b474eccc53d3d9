"""What a folder takes of its disk, and what its file system can do."""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.agent.disk import durable

BLOCK_BYTES = 512  # stat(2): st_blocks counts these, whatever the file system's own are
_PROBE = ".link"


def used_bytes(folder: Path) -> int:
    """Disk space that everything below a folder takes; a content with several names is counted once."""
    blocks: dict[tuple[int, int], int] = {}
    for path, _, names in os.walk(folder):
        for name in (".", *names):
            try:
                found = os.lstat(os.path.join(path, name))
            except OSError:  # gone meanwhile
                continue
            blocks[found.st_dev, found.st_ino] = found.st_blocks
    return BLOCK_BYTES * sum(blocks.values())


def is_linking(folder: Path) -> bool:
    """Whether two names below a folder may share one content; FAT, for one, knows no such thing."""
    first, second = folder / _PROBE, folder / f"{_PROBE}2"
    try:
        os.close(os.open(first, os.O_WRONLY | os.O_CREAT, 0o600))
        durable.remove(second)
        os.link(first, second)
    except OSError:
        return False
    finally:
        durable.remove(second)
        durable.remove(first)
    return True
