"""A hub's database with very many enrolled devices, made in seconds: rows as enrolments would have left them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from edgewright.hub.db import Database
from edgewright.hub.fleet.table import device, device_heard, device_model

CHUNK = 20_000


@dataclass(frozen=True)
class Board:
    """One kind of hardware in the fleet."""

    arch: str
    cores: int
    ram_bytes: int
    hardware_ids: tuple[str, ...]
    runtimes: tuple[tuple[str, str], ...] = (("onnxruntime", "1.23.2"),)


BOARDS = (
    Board("x86_64", 4, 8 * 2**30, ()),
    Board("aarch64", 4, 2 * 2**30, ("raspberrypi,4-model-b", "brcm,bcm2711")),
    Board("aarch64", 4, 8 * 2**30, ("raspberrypi,5-model-b", "brcm,bcm2712")),
    Board("armv7l", 4, 2**30, ("raspberrypi,3-model-b", "brcm,bcm2837")),
)


@dataclass(frozen=True)
class Running:
    """What the seeded devices run already."""

    model: str
    version: int
    counter: int
    manifest_sha256: str


def seed(
    db: Database,
    count: int,
    now: float,
    *,
    boards: Sequence[Board] = BOARDS,
    per_site: int = 8,
    running: Running | None = None,
) -> list[str]:
    """Put `count` devices into an empty hub, `per_site` to a label `site`, boards in turn; returns their ids.

    Each was heard of within the minute before `now`.
    """
    ids = [f"dev-{number:016x}" for number in range(count)]
    with db.write() as connection:
        for start in range(0, count, CHUNK):
            part = range(start, min(count, start + CHUNK))
            connection.execute(sa.insert(device), [_device(n, ids[n], boards, per_site, now) for n in part])
            heard = [{"device": ids[n], "last_seen_at": now - n % 60, "backlog": 0} for n in part]
            connection.execute(sa.insert(device_heard), heard)
            if running is not None:
                connection.execute(sa.insert(device_model), list(_models(ids[start : start + CHUNK], running, now)))
    return ids


def _device(number: int, id: str, boards: Sequence[Board], per_site: int, now: float) -> dict[str, Any]:
    board = boards[number % len(boards)]
    return {
        "id": id,
        "name": f"lane-{number}",
        "labels": {"site": f"store-{number // per_site}", "lane": str(number % per_site)},
        "public_key": hashlib.sha256(id.encode()).digest(),
        "claim_sha256": hashlib.sha256(id.encode()).hexdigest(),
        "arch": board.arch,
        "cores": board.cores,
        "ram_bytes": board.ram_bytes,
        "disk_free_bytes": 2**30,
        "runtimes": dict(board.runtimes),
        "providers": {"onnxruntime": ["CPUExecutionProvider"]},
        "hardware_ids": list(board.hardware_ids),
        "agent_version": "1.0",
        "python": "3.11",
        "enrolled_at": now - 86_400.0,
        "pace": {},
    }


def _models(ids: Sequence[str], running: Running, now: float) -> Iterator[dict[str, Any]]:
    for id in ids:
        yield {
            "device": id,
            "model": running.model,
            "version": running.version,
            "counter": running.counter,
            "manifest_sha256": running.manifest_sha256,
            "step": "idle",
            "candidate_counter": 0,
            "held_manifests": [running.manifest_sha256],
            "reported_at": now,
        }
