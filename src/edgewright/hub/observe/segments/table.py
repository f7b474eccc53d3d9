"""What is stored of segments: where their detectors stand, what hours of the week bring, what devices add."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from edgewright.contract.api import AlertLevel
from edgewright.hub.db import metadata
from edgewright.hub.observe.segments.model import SEASON_KEEPS, WEEK_HOURS, WHOLE, Segment

Floats = npt.NDArray[np.float64]

segment = sa.Table(
    "segment",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("level", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("quiet_until", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
    sa.Column("labels_seen", sa.BigInteger, nullable=False, default=0),  # the number of the last labelled answer
)

state = sa.Table(
    "segment_state",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("level", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("detector", sa.String(60), primary_key=True),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("watched", sa.Integer, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),  # of what is large and certain by itself
    sa.Column("effect", sa.Float, nullable=False),  # the largest one that alarms; 0 where none does
    sa.Column("updated_at", sa.Float, nullable=False),
)

season = sa.Table(
    "segment_season",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("level", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),  # of the week; ALL_HOURS: whole weeks
    sa.Column("week", sa.Integer, nullable=False),
    sa.Column("weeks", sa.Integer, nullable=False),  # that are over and known
    sa.Column("past", sa.LargeBinary, nullable=False),
    sa.Column("current", sa.LargeBinary, nullable=False),
)

share = sa.Table(
    "device_share",
    metadata,
    sa.Column("model", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("device", sa.String(80), primary_key=True),
    sa.Column("hour", sa.Integer, nullable=False),
    sa.Column("claimed", sa.Float, nullable=False),  # in that hour
    sa.Column("added", sa.Float, nullable=False),
    sa.Column("claimed_before", sa.Float, nullable=False),  # in the hour before in which it added anything
)

Key = Mapping[str, Any]
ALL_HOURS = WEEK_HOURS
_PLACE = ("level", "name", "detector")
_KEPT = ("state", "watched", "evidence", "effect", "updated_at")


def key(model: str, version: int, where: Segment) -> Key:
    """The columns that name a segment of a version."""
    return {"model": model, "version": version, "level": where.level, "name": where.name}


def segments(connection: sa.Connection, model: str, version: int) -> dict[Segment, float]:
    """The segments of a version, each with the moment up to which it is quiet."""
    of = segment.c
    query = sa.select(of.level, of.name, of.quiet_until).where(of.model == model, of.version == version)
    return {Segment(AlertLevel(row.level), row.name): row.quiet_until for row in connection.execute(query)}


def note_segments(connection: sa.Connection, model: str, version: int, found: Sequence[Segment], at: float) -> None:
    """These were heard of."""
    for where in found:
        values = key(model, version, where)
        query = sa.update(segment).where(*_is(segment, values)).values(last_at=at)
        if connection.execute(query).rowcount == 0:
            connection.execute(sa.insert(segment).values(**values, quiet_until=0.0, last_at=at, labels_seen=0))


def quieten(connection: sa.Connection, model: str, version: int, where: Segment | None, now: float) -> None:
    """Start detectors afresh, of one segment or of all (`version` 0: of all versions); what ended before is no news."""
    names: dict[str, Any] = {"model": model} | ({"version": version} if version else {})
    if where is not None:
        names |= {"level": where.level, "name": where.name}
    connection.execute(sa.update(segment).where(*_is(segment, names)).values(quiet_until=now))
    connection.execute(sa.delete(state).where(*_is(state, names)))


def load(connection: sa.Connection, model: str, version: int, where: Segment) -> dict[str, sa.RowMapping]:
    """Where the detectors of a segment stand, by their names."""
    query = sa.select(state).where(*_is(state, key(model, version, where)))
    return {row["detector"]: row for row in connection.execute(query).mappings()}


def save(
    connection: sa.Connection, model: str, version: int, rows: Sequence[Mapping[str, Any]], known: Collection[Any]
) -> None:
    """Save where detectors stand: rows of `level`, `name`, `detector` and values; `known` are places that are there."""
    old = [row for row in rows if (Segment(row["level"], row["name"]), row["detector"]) in known]
    new = [row for row in rows if (Segment(row["level"], row["name"]), row["detector"]) not in known]
    of = state.c
    if new:
        connection.execute(sa.insert(state), [{"model": model, "version": version, **row} for row in new])
    if old:
        where = [of[name] == sa.bindparam(f"of_{name}") for name in ("model", "version", *_PLACE)]
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _KEPT}
        names = {"of_model": model, "of_version": version}
        connection.execute(
            sa.update(state).where(*where).values(values),
            [
                names | {f"of_{name}": row[name] for name in _PLACE} | {f"new_{name}": row[name] for name in values}
                for row in old
            ],
        )


def watched(
    connection: sa.Connection, model: str, version: int, since: float
) -> Iterator[tuple[tuple[Segment, str], int, list[float]]]:
    """Who watches a version since then: segment and detector, how much it watches, the evidence of what is certain."""
    of = state.c
    query = sa.select(of.level, of.name, of.detector, of.watched, of.evidence)
    query = query.where(of.model == model, of.version == version, of.updated_at >= since)
    for row in connection.execute(query):
        yield (Segment(AlertLevel(row.level), row.name), row.detector), row.watched, row.evidence


def effect_of(connection: sa.Connection, model: str, version: int, detectors: Sequence[str]) -> float | None:
    """The largest effect that alarms on a whole version, by these detectors; None where none has seen it yet."""
    of = state.c
    names = key(model, version, WHOLE)
    query = sa.select(sa.func.max(of.effect)).where(*_is(state, names), of.detector.in_(detectors))
    found = connection.scalar(query)
    return None if found is None else float(found)


def labels_seen(connection: sa.Connection, model: str) -> dict[int, int]:
    """How far the labelled answers of each version were read."""
    of = segment.c
    query = sa.select(of.version, of.labels_seen).where(of.model == model, of.level == WHOLE.level, of.version > 0)
    return {int(row.version): int(row.labels_seen) for row in connection.execute(query)}


def save_labels_seen(connection: sa.Connection, model: str, version: int, number: int) -> None:
    """Note how far the labelled answers were read."""
    names = key(model, version, WHOLE)
    connection.execute(sa.update(segment).where(*_is(segment, names)).values(labels_seen=number))


def versions(connection: sa.Connection, model: str) -> set[int]:
    """The versions of a model that devices have reported on."""
    of = segment.c
    query = sa.select(of.version).where(of.model == model, of.level == WHOLE.level, of.version > 0)
    return {int(version) for version in connection.scalars(query)}


def version_before(connection: sa.Connection, model: str, version: int) -> int | None:
    """The newest version before that one which devices have reported on."""
    of = segment.c
    query = sa.select(sa.func.max(of.version)).where(of.model == model, of.version < version, of.version > 0)
    found = connection.scalar(query)
    return None if found is None else int(found)


def all_hours(connection: sa.Connection, model: str, version: int, slots: int) -> Floats:
    """What a whole version has counted of late, in all hours of the week together."""
    row = season_of(connection, key(model, version, WHOLE), ALL_HOURS)
    return np.zeros(slots) if row is None else unpack(row["past"], slots) + unpack(row["current"], slots)


def weeks_over(connection: sa.Connection, names: Key, hour: int, week: int, slots: int) -> tuple[int, Floats]:
    """How many weeks before that one are known of an hour of the week, or of ALL_HOURS, and what they counted."""
    row = season_of(connection, names, hour)
    if row is None:
        return 0, np.zeros(slots)
    if week <= row["week"]:
        return row["weeks"], unpack(row["past"], slots)
    return row["weeks"] + 1, _closed(row, slots)


def season_of(connection: sa.Connection, names: Key, hour: int) -> sa.RowMapping | None:
    """What an hour of the week, or ALL_HOURS, brought to a segment so far."""
    query = sa.select(season).where(*_is(season, names), season.c.hour == hour)
    return connection.execute(query).mappings().first()


def add_to_season(
    connection: sa.Connection, names: Key, hour: int, week: int, old: sa.RowMapping | None, counts: Floats
) -> None:
    """Add a pane to its hour of the week. The first pane of another week closes the week before."""
    if old is None:
        values = {"week": week, "weeks": 0, "past": b"", "current": pack(counts)}
        connection.execute(sa.insert(season).values(**names, hour=hour, **values))
        return
    if week <= old["week"]:
        values = {"current": pack(unpack(old["current"], len(counts)) + counts)}
    else:
        past = _closed(old, len(counts))
        values = {"week": week, "weeks": old["weeks"] + 1, "past": pack(past), "current": pack(counts)}
    connection.execute(sa.update(season).where(*_is(season, names), season.c.hour == hour).values(values))


def shares(connection: sa.Connection, model: str, version: int, devices: Sequence[str]) -> dict[str, sa.RowMapping]:
    """What these devices have added of late."""
    of = share.c
    query = sa.select(share).where(of.model == model, of.version == version, of.device.in_(devices))
    return {row["device"]: row for row in connection.execute(query).mappings()}


def save_shares(
    connection: sa.Connection,
    model: str,
    version: int,
    hour: int,
    rows: Sequence[Mapping[str, Any]],
    known: Collection[str],
) -> None:
    """Note what devices have added in this hour: rows of `device`, `claimed`, `added`, `claimed_before`."""
    of = share.c
    for row in rows:
        values = {"hour": hour, **{name: row[name] for name in ("claimed", "added", "claimed_before")}}
        if row["device"] in known:
            where = (of.model == model, of.version == version, of.device == row["device"])
            connection.execute(sa.update(share).where(*where).values(values))
        else:
            names = {"model": model, "version": version, "device": row["device"]}
            connection.execute(sa.insert(share).values(**names, **values))


def active(connection: sa.Connection, model: str, version: int, since_hour: int) -> int:
    """How many devices of a version have added anything since that hour."""
    of = share.c
    query = sa.select(sa.func.count()).select_from(share)
    return connection.scalar(query.where(of.model == model, of.version == version, of.hour >= since_hour)) or 0


def claims(
    connection: sa.Connection, model: str, version: int, since_hour: int, but: Collection[str] = ()
) -> list[float]:
    """What each device that was heard of since then, but these, claims in an hour."""
    of = share.c
    larger = sa.case((of.claimed > of.claimed_before, of.claimed), else_=of.claimed_before)
    query = sa.select(of.device, larger).where(of.model == model, of.version == version, of.hour >= since_hour)
    left_out = set(but)
    return [float(rows) for device, rows in connection.execute(query) if device not in left_out]


def prune(connection: sa.Connection, before: float) -> None:
    """Forget segments that were last heard of before then, with all that is kept of them, and what devices added."""
    gone = sa.select(segment.c.model, segment.c.version, segment.c.level, segment.c.name)
    for row in connection.execute(gone.where(segment.c.last_at < before)).mappings().all():
        for table in (state, season, segment):
            connection.execute(sa.delete(table).where(*_is(table, {str(name): value for name, value in row.items()})))
    connection.execute(sa.delete(share).where(share.c.hour < before // 3600))


def pack(counts: Floats) -> bytes:
    """Counts as they are kept."""
    return zlib.compress(np.asarray(counts, np.float32).tobytes(), 1)


def unpack(data: bytes, slots: int) -> Floats:
    """Kept counts; zeros where none of that many slots are kept."""
    found = np.frombuffer(zlib.decompress(data), np.float32).astype(np.float64) if data else np.zeros(0)
    return found if len(found) == slots else np.zeros(slots)


def _closed(row: sa.RowMapping, slots: int) -> Floats:
    """What is known of an hour of the week once its present week is over."""
    return SEASON_KEEPS * unpack(row["past"], slots) + unpack(row["current"], slots)


def _is(table: sa.Table, names: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in names.items()]
