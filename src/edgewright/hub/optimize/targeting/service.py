"""Finds, adds and removes targets. What people have added comes before the library where both have an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec
import sqlalchemy as sa
import structlog

from edgewright.contract.api import StudyRecord, StudyState, Target, TargetDraft, TargetRecord
from edgewright.contract.errors import Conflict, InvalidInput, Refused
from edgewright.contract.target import Resolved, Sketch, read, resolve
from edgewright.hub.db import Database, to_record
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.optimize import table as studies
from edgewright.hub.optimize.targeting import table
from edgewright.hub.optimize.targets import library, resolved, unknown
from edgewright.hub.registry import table as registry

MAX_ID_CHARS = 60
log = structlog.get_logger()


class TargetExists(Conflict):
    code = "target_exists"
    hint = "Choose another id: a target never changes under those who use it."


class TargetUsed(Refused):
    code = "target_used"
    hint = "What was made for a target stays explained by it; it can stay, too."


class Targets:
    """Every target that this hub optimises for."""

    def __init__(self, db: Database, audit: Audit, clock: Callable[[], float]) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock

    def get(self, target_id: str) -> Target:
        """The target of that id. Raises UnknownTarget, which names the nearest ones."""
        return self._find(target_id)[0].target

    def known(self) -> dict[str, Target]:
        """All targets, by id."""
        return {record.id: record.profile for record in self.records()}

    def records(self) -> list[TargetRecord]:
        """All targets, by id, without who uses them."""
        own = self._own()
        found = {name: as_record(one) for name, one in resolved().items()}
        for name in own:
            try:
                found[name] = as_record(_resolve(name, own), own[name])
            except InvalidInput as error:  # its base in the library has changed since
                log.warning("target.broken", target=name, why=error.message)
        return [found[name] for name in sorted(found)]

    def record(self, target_id: str) -> TargetRecord:
        """One target, with who uses it. Raises UnknownTarget."""
        found, row = self._find(target_id)
        with self._db.read() as connection:
            return as_record(found, row, tuple(_users(connection, target_id)))

    def add(self, principal: Principal, draft: TargetDraft, *, dry_run: bool = False) -> TargetRecord:
        """Keep a target of one's own. Raises InvalidInput, which names file and field, and TargetExists."""
        sketch = read(draft.toml, draft.file)
        own = self._own()
        _check_new(sketch, own)
        found = resolve(sketch, _sketches(own))
        row = {"id": sketch.id, "toml": draft.toml, "added_by": principal.name, "added_at": self._clock()}
        if not dry_run:
            with self._db.write() as connection:
                _check_free(connection, sketch.id)
                connection.execute(sa.insert(table.target).values(**row))
                self._audit.record(connection, principal.name, "target.add", sketch.id, bases=list(found.bases))
        return as_record(found, msgspec.convert(row, Own))

    def remove(self, principal: Principal, target_id: str, *, dry_run: bool = False) -> TargetRecord:
        """Forget a target of one's own; returns what it was. Raises UnknownTarget, Refused for one of the library, and
        TargetUsed where a variant (and so maybe a package) was made for it, a study runs, or a target inherits from it.
        """
        found, row = self._find(target_id)
        if row is None:
            raise Refused(f"{target_id} is of the library, which stays as it was installed", field="target")
        with self._db.write() as connection:
            users = list(_users(connection, target_id))
            if users:
                raise TargetUsed(f"{target_id} is used by {_listed(users)}", field="target")
            if not dry_run:
                connection.execute(sa.delete(table.target).where(table.target.c.id == target_id))
                self._audit.record(connection, principal.name, "target.remove", target_id)
        return as_record(found, row)

    def _find(self, target_id: str) -> tuple[Resolved, Own | None]:
        own = self._own()
        if target_id in own:
            return _resolve(target_id, own), own[target_id]
        if target_id in resolved():
            return resolved()[target_id], None
        raise unknown(target_id, {*resolved(), *own})

    def _own(self) -> dict[str, Own]:
        with self._db.read() as connection:
            rows = connection.execute(sa.select(table.target)).mappings()
            return {row["id"]: to_record(row, Own) for row in rows}


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what somebody added."""

    id: str
    toml: str
    added_by: str
    added_at: float


def as_record(found: Resolved, row: Own | None = None, used_by: tuple[str, ...] = ()) -> TargetRecord:
    """What the API shows of a target."""
    target, runtime = found.target, found.target.runtime
    versions = f">={runtime.minimum},<{runtime.below}" if runtime.below else f">={runtime.minimum}"
    return TargetRecord(
        id=target.id,
        title=target.title,
        arch=target.arch,
        runtime=f"{runtime.name} {versions}",
        provider=runtime.provider,
        dtypes=target.dtypes,
        ram_bytes=target.ram_bytes,
        profile=target,
        bases=found.bases,
        told_by=dict(found.told_by),
        added_by=row.added_by if row else "",
        added_at=row.added_at if row else None,
        used_by=used_by,
    )


def _resolve(target_id: str, own: Mapping[str, Own]) -> Resolved:
    sketches = _sketches(own)
    return resolve(sketches[target_id], sketches)


def _sketches(own: Mapping[str, Own]) -> dict[str, Sketch]:
    return {**library(), **{name: read(row.toml, f"{name}.toml") for name, row in own.items()}}


def _check_new(sketch: Sketch, own: Mapping[str, Own]) -> None:
    if sketch.id in library() or sketch.id in own:
        raise TargetExists(f"there is a target '{sketch.id}' already", field="id")
    if len(sketch.id) > MAX_ID_CHARS:
        raise InvalidInput(f"{sketch.file}: id: it has more than {MAX_ID_CHARS} characters", field="id")
    if sketch.is_abstract:
        hint = "Leave `abstract` out: others can inherit from any target."
        raise InvalidInput(f"{sketch.file}: abstract: a hub takes whole targets", field="abstract", hint=hint)


def _check_free(connection: sa.Connection, target_id: str) -> None:
    """Somebody may have been quicker."""
    if connection.scalar(sa.select(table.target.c.id).where(table.target.c.id == target_id)) is not None:
        raise TargetExists(f"there is a target '{target_id}' already", field="id")


def _users(connection: sa.Connection, target_id: str) -> Iterator[str]:
    """What would not be explained any more without the target."""
    variants = sa.select(registry.variant.c.model, registry.variant.c.version)
    for row in connection.execute(variants.where(registry.variant.c.target == target_id)):
        yield f"{row.model}@{row.version}"
    records = sa.select(studies.study.c.record).where(studies.study.c.target == target_id)
    for record in connection.scalars(records):
        study = msgspec.convert(record, StudyRecord)
        if study.state is StudyState.RUNNING:
            yield f"the study {study.id}"
    for row in connection.execute(sa.select(table.target.c.id, table.target.c.toml)):
        if read(row.toml, f"{row.id}.toml").base == target_id:
            yield f"the target {row.id}"


def _listed(users: list[str]) -> str:
    shown = ", ".join(users[:5])
    return shown if len(users) <= 5 else f"{shown} and {len(users) - 5} more"
