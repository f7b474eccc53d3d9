"""Data policies: what may be done with what a model's devices see. Releases carry them; the hub keeps to the newest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from edgewright.contract import data_policy
from edgewright.contract.api import PolicyRecord
from edgewright.contract.data_policy import DataPolicy
from edgewright.hub.data import table
from edgewright.hub.data.model import expiry
from edgewright.hub.db import Database, to_record
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit, Principal
from edgewright.hub.registry import Registry, UnknownModel, check_name

CHANGED = "data.collection"
"""What devices are asked for may have changed."""


class DataPolicies:
    """One policy to a model. What it forbids holds at once; what it allows, from the next release on."""

    def __init__(
        self, db: Database, events: Events, audit: Audit, clock: Callable[[], float], registry: Registry
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._registry = registry

    def get(self, model: str) -> PolicyRecord:
        """The policy of a model, or one that lets nothing leave."""
        with self._db.read() as connection:
            return self.of(connection, model)

    def of(self, connection: sa.Connection, model: str) -> PolicyRecord:
        """As `get`, in a transaction."""
        query = sa.select(table.data_policy).where(table.data_policy.c.model == model)
        row = connection.execute(query).mappings().first()
        return PolicyRecord(model=model, policy=DataPolicy()) if row is None else to_record(row, PolicyRecord)

    def signed(self, model: str) -> DataPolicy | msgspec.UnsetType:
        """What the next release of a model says of its data; UNSET where nobody has set a policy."""
        with self._db.read() as connection:
            record = self.of(connection, model)
        return record.policy if record.set_by else msgspec.UNSET

    def put(self, principal: Principal, model: str, policy: DataPolicy, *, dry_run: bool = False) -> PolicyRecord:
        """Set a model's policy, also before there is a version; samples that are here get the retention of now.

        Raises InvalidInput where it does not fit the newest version's contract.
        """
        check_name(model, "model")
        with contextlib.suppress(UnknownModel):
            data_policy.check(policy, self._registry.model(model).versions[-1].contract)
        now = self._clock()
        record = PolicyRecord(model=model, policy=policy, set_by=principal.name, set_at=now)
        if dry_run:
            return record
        with self._db.write() as connection:
            connection.execute(sa.delete(table.data_policy).where(table.data_policy.c.model == model))
            row = {"model": model, "policy": msgspec.to_builtins(policy), "set_by": principal.name, "set_at": now}
            connection.execute(sa.insert(table.data_policy).values(row))
            self._expire(connection, model, policy, now)
            facts = {"may_leave": policy.may_leave, "retention_days": policy.retention_days, "purpose": policy.purpose}
            self._audit.record(connection, principal.name, "data.policy", model, **facts)
            self._events.record(connection, CHANGED, model, model=model)
        return record

    def _expire(self, connection: sa.Connection, model: str, policy: DataPolicy, now: float) -> None:
        of = table.sample.c
        for id, at in connection.execute(sa.select(of.id, of.at).where(of.model == model)).all():
            values = {"expires_at": expiry(policy, at, now)}
            connection.execute(sa.update(table.sample).where(of.id == id).values(values))
