"""Reads and writes deltas and needs, inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec
import sqlalchemy as sa

from edgewright.contract.api import DeltaState
from edgewright.contract.manifest import File, Role
from edgewright.contract.order import Fetch
from edgewright.hub.db import to_record
from edgewright.hub.packaging import table
from edgewright.hub.packaging.deltas.demand import Need
from edgewright.hub.packaging.deltas.planning import MAX_HOPS

CHUNK = 500


class DeltaRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of files that was tried; `sha256` is empty unless there is a delta to download."""

    base_sha256: str
    result_sha256: str
    state: DeltaState
    reason: str = ""
    sha256: str = ""
    size_bytes: int = 0
    result_bytes: int = 0
    cpu_s: float = 0.0
    used_at: float = 0.0
    created_at: float = 0.0


def files(connection: sa.Connection, manifests: Iterable[str]) -> dict[str, list[File]]:
    """The files of packages, by the digest of the manifest."""
    of, found = table.package_file.c, defaultdict(list)
    for part in _parts(manifests):
        for row in connection.execute(sa.select(table.package_file).where(of.manifest_sha256.in_(part))):
            file = File(name=row.name, role=Role(row.role), sha256=row.sha256, size_bytes=row.size_bytes)
            found[row.manifest_sha256].append(file)
    return dict(found)


def leading_to(connection: sa.Connection, results: Collection[str], held: Collection[str]) -> list[Fetch]:
    """Every delta on a way from what is `held` to `results`, of no more hops than a plan may have."""
    found: dict[tuple[str, str], Fetch] = {}
    frontier = set(results)
    for _ in range(MAX_HOPS):
        hops = [row for part in _parts(frontier) for row in connection.execute(_made(part)).mappings()]
        found |= {(row["base_sha256"], row["result_sha256"]): to_record(row, Fetch) for row in hops}
        frontier = {row["base_sha256"] for row in hops} - set(held) - {result for _, result in found}
    return list(found.values())


def rows(connection: sa.Connection, results: Iterable[str]) -> dict[tuple[str, str], DeltaRow]:
    """What was tried for the files `results`, by base and result."""
    of, found = table.delta.c, {}
    for part in _parts(results):
        for row in connection.execute(sa.select(table.delta).where(of.result_sha256.in_(part))).mappings():
            found[row["base_sha256"], row["result_sha256"]] = to_record(row, DeltaRow)
    return found


def keep(connection: sa.Connection, row: DeltaRow) -> None:
    """Keep what became of a pair, in the place of what was known of it."""
    connection.execute(sa.delete(table.delta).where(*_is(row.base_sha256, row.result_sha256)))
    connection.execute(sa.insert(table.delta).values(msgspec.structs.asdict(row)))


def forget(connection: sa.Connection, results: Iterable[str]) -> None:
    """Forget what failed or did not pay for the files `results`, so that it is tried again."""
    of = table.delta.c
    for part in _parts(results):
        hopeless = of.state.in_((DeltaState.FAILED, DeltaState.USELESS))
        connection.execute(sa.delete(table.delta).where(of.result_sha256.in_(part), hopeless))


def note_needs(connection: sa.Connection, needs: Iterable[Need]) -> None:
    """Keep how many devices need what; a former count for the same packages is replaced."""
    of = table.delta_need.c
    for need in needs:
        same = (of.base_manifest == need.base_manifest, of.result_manifest == need.result_manifest)
        connection.execute(sa.delete(table.delta_need).where(*same))
        connection.execute(
            sa.insert(table.delta_need).values(
                base_manifest=need.base_manifest, result_manifest=need.result_manifest, devices=need.devices
            )
        )


def needs(connection: sa.Connection, result_manifests: Collection[str]) -> list[Need]:
    """What devices needed for these packages."""
    of = table.delta_need.c
    query = sa.select(table.delta_need).where(of.result_manifest.in_(sorted(result_manifests)))
    return [Need(row.base_manifest, row.result_manifest, row.devices) for row in connection.execute(query)]


def is_needed(connection: sa.Connection, base_manifest: str, result_manifest: str) -> bool:
    """Whether somebody has looked already what a device with the one package needs for the other."""
    of = table.delta_need.c
    query = sa.select(of.devices).where(of.base_manifest == base_manifest, of.result_manifest == result_manifest)
    return connection.scalar(query) is not None


def releases_of(connection: sa.Connection, manifests: Collection[str]) -> Mapping[str, tuple[str, str]]:
    """The release ('<model>/<counter>') and the target of packages, by the digest of the manifest."""
    of, found = table.package.c, {}
    for part in _parts(manifests):
        for row in connection.execute(sa.select(table.package).where(of.manifest_sha256.in_(part))):
            found[row.manifest_sha256] = (f"{row.model}/{row.counter}", row.target)
    return found


def packages_of(connection: sa.Connection, model: str, counter: int) -> list[str]:
    """The digests of a release's manifests."""
    of = table.package.c
    return list(connection.scalars(sa.select(of.manifest_sha256).where(of.model == model, of.counter == counter)))


def kept_bytes(connection: sa.Connection) -> int:
    """What all deltas take on the disk."""
    return int(connection.scalar(sa.select(sa.func.sum(table.delta.c.size_bytes)).where(_is_made())) or 0)


def idlest(connection: sa.Connection, used_before: float) -> Iterator[DeltaRow]:
    """The deltas that no order has named since `used_before`, the longest unused first."""
    of = table.delta.c
    query = sa.select(table.delta).where(_is_made(), of.used_at < used_before, of.created_at < used_before)
    for row in connection.execute(query.order_by(of.used_at, of.created_at)).mappings().all():
        yield to_record(row, DeltaRow)


def evict(connection: sa.Connection, row: DeltaRow, reason: str) -> bool:
    """Note that a delta is gone; True if no other pair has the same bytes, so that the blob can go."""
    values = {"state": DeltaState.EVICTED, "reason": reason, "sha256": ""}
    connection.execute(sa.update(table.delta).where(*_is(row.base_sha256, row.result_sha256)).values(values))
    return connection.scalar(sa.select(table.delta.c.sha256).where(table.delta.c.sha256 == row.sha256)) is None


def touch(connection: sa.Connection, sha256s: Collection[str], now: float) -> None:
    """Note that an order names these deltas (digests of their blobs)."""
    for part in _parts(sha256s):
        connection.execute(sa.update(table.delta).where(table.delta.c.sha256.in_(part)).values(used_at=now))


def _made(results: list[str]) -> sa.Select[tuple[object, ...]]:
    return sa.select(table.delta).where(table.delta.c.result_sha256.in_(results), _is_made())


def _is_made() -> sa.ColumnElement[bool]:
    return table.delta.c.state == DeltaState.MADE


def _is(base_sha256: str, result_sha256: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.delta.c.base_sha256 == base_sha256, table.delta.c.result_sha256 == result_sha256)


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(set(names))
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))
