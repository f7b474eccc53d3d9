"""A copy of what a rollout touches: the devices of its group, its model's releases, what a person has said of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from edgewright.contract.api import ReleaseRecord
from edgewright.hub.db import Database
from edgewright.hub.registry import Blobs
from edgewright.hub.tables import metadata

CHUNK = 500
OF_MODEL = ("version", "release", "package", "package_file", "release_approval", "directive")
"""Tables whose rows of the rollout's model are copied."""
OF_DEVICES = (("device", "id"), ("device_model", "device"))


def copy_hub(db: Database, blobs: Blobs, release: ReleaseRecord, devices: Sequence[str], folder: Path) -> None:
    """Put a hub with these devices and the releases of this model into `folder`, which is made anew.

    No key, no session and no bytes of a model are in it; the devices' public keys are not theirs.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for package in release.packages:
        data = blobs.path(package.manifest_sha256).read_bytes()
        Blobs(folder / "blobs").put_bytes(data)
    copy = Database(f"sqlite:///{folder / 'hub.sqlite'}")
    try:
        copy.migrate()
        with db.read() as source, copy.write() as target:
            for table, query in _queries(release.model, devices):
                _copy(source, target, table, query)
    finally:
        copy.close()


def _queries(model: str, devices: Sequence[str]) -> Iterator[tuple[sa.Table, sa.Select[tuple[object, ...]]]]:
    tables = metadata.tables
    yield tables["model"], sa.select(tables["model"]).where(tables["model"].c.name == model)
    for name in OF_MODEL:
        yield tables[name], sa.select(tables[name]).where(tables[name].c.model == model)
    file, delta = tables["package_file"], tables["delta"]
    of_model = sa.select(file.c.sha256).where(file.c.model == model)
    yield delta, sa.select(delta).where(delta.c.result_sha256.in_(of_model))
    for name, column in OF_DEVICES:
        for start in range(0, len(devices), CHUNK):
            part = devices[start : start + CHUNK]
            yield tables[name], sa.select(tables[name]).where(tables[name].c[column].in_(part))


def _copy(source: sa.Connection, target: sa.Connection, table: sa.Table, query: sa.Select[tuple[object, ...]]) -> None:
    rows = [dict(row) for row in source.execute(query).mappings()]
    for row in rows:
        if "public_key" in row:
            row["public_key"] = str(row["id"]).encode().ljust(32, b"\0")[:32]
    if rows:
        target.execute(sa.insert(table), rows)
