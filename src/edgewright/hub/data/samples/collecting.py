"""Requests for samples: which devices are asked, and which of what they send is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Collect
from edgewright.contract.report import Sample
from edgewright.hub.data import table
from edgewright.hub.data.model import sample_id
from edgewright.hub.data.policies import CHANGED, DataPolicies
from edgewright.hub.data.samples.fitting import fault_of, misfit
from edgewright.hub.data.samples.store import ids_of, read_tensors
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit
from edgewright.hub.registry import Registry, UnknownVersion

MAX_REASON_CHARS = 300


@dataclass(frozen=True)
class _Budget:
    """How many samples of a model a device may send for one request, which ones it has sent, and what may leave now."""

    model: str
    size: int
    taken: set[str]
    policy: DataPolicy
    now: float
    erased: dict[str, float]


class Collections:
    """Asks for samples, and takes those in that somebody asked for and that the model's data policy allows."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        registry: Registry,
        policies: DataPolicies,
    ) -> None:
        self._db = db
        self._events = events
        self._audit = audit
        self._clock = clock
        self._registry = registry
        self._policies = policies

    def open(self, connection: sa.Connection, request: str, model: str, per_device: int) -> None:
        """Ask every device that runs the model for samples; the same request again changes nothing.

        A device sends what the data policy in its own release allows: without one, nothing.
        """
        known = sa.select(table.collection.c.request).where(table.collection.c.request == request)
        if connection.scalar(known) is not None:
            return
        row = {"request": request, "model": model, "budget": per_device, "is_open": True, "opened_at": self._clock()}
        connection.execute(sa.insert(table.collection).values(**row))
        self._audit.record(connection, "hub", "samples.request", model, request=request, budget=per_device)
        self._events.record(connection, CHANGED, request, model=model)

    def close(self, connection: sa.Connection, request: str) -> None:
        """Ask no more."""
        where = table.collection.c.request == request
        connection.execute(sa.update(table.collection).where(where).values(is_open=False))
        model = connection.scalar(sa.select(table.collection.c.model).where(where))
        self._events.record(connection, CHANGED, request, model=model)

    def collects_for(self, models: list[str]) -> tuple[Collect, ...]:
        """The open requests for samples of these models: they go into a device's order."""
        query = sa.select(table.collection).where(table.collection.c.is_open, table.collection.c.model.in_(models))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(table.collection.c.request)).all()
            allowed = {row.model for row in rows if self._policies.of(connection, row.model).policy.may_leave}
        found = (row for row in rows if row.model in allowed)
        return tuple(Collect(request=row.request, model=row.model, budget=row.budget) for row in found)

    def wanted(self, connection: sa.Connection, device: str, samples: Sequence[Sample]) -> list[Sample]:
        """Those of a device's samples that were asked for, that its contract and policy allow, within its budget.

        The others are refused with an event and never asked for again, or they would come for ever.
        """
        erased = _erased(connection, {sample.subject for sample in samples})
        budgets = self._budgets(connection, device, {sample.request for sample in samples}, erased)
        fine, reasons = [], []
        for sample in samples:
            reason = self._refusal(sample, budgets.get(sample.request), sample_id(device, sample.id))
            if reason:
                reasons.append(reason)
            else:
                fine.append(sample)
        if reasons:
            facts = {"reason": reasons[0][:MAX_REASON_CHARS], "count": len(reasons)}
            self._events.record(connection, "data.samples_refused", device, **facts)
        return fine

    def _budgets(
        self, connection: sa.Connection, device: str, requests: set[str], erased: dict[str, float]
    ) -> dict[str, _Budget]:
        known = sa.select(table.collection).where(table.collection.c.request.in_(requests))
        now = self._clock()
        return {
            row.request: _Budget(
                row.model,
                row.budget,
                ids_of(connection, device, row.request),
                self._policies.of(connection, row.model).policy,
                now,
                erased,
            )
            for row in connection.execute(known).all()
        }

    def _refusal(self, sample: Sample, budget: _Budget | None, id: str) -> str:
        """Why this sample is not wanted; '' if it is, and then it has used up its place."""
        if budget is None or budget.model != sample.model:
            return f"nobody asked for samples of '{sample.model[:80]}' as '{sample.request[:80]}'"
        if not budget.policy.may_leave:
            return f"the data policy of '{sample.model[:80]}' keeps samples on the devices"
        if reason := fault_of(sample, budget.now):
            return reason
        if sample.subject in budget.erased and sample.at <= budget.erased[sample.subject]:
            return "its subject's data was erased after it was taken"
        if id not in budget.taken and len(budget.taken) >= budget.size:
            return f"{budget.size} samples were asked for, and are here"
        try:
            contract = self._registry.version(sample.model, sample.version if sample.version < 2**31 else 0).contract
            reason = misfit(read_tensors(sample.inputs), contract, budget.policy)
        except (HostileInput, UnknownVersion) as error:
            return error.message
        if not reason:
            budget.taken.add(id)
        return reason


def _erased(connection: sa.Connection, subjects: set[str]) -> dict[str, float]:
    """When the data of these subjects was erased, of those where it was."""
    of = table.erased_subject.c
    rows = connection.execute(sa.select(of.key, of.erased_at).where(of.key.in_(subjects)))
    return {row.key: row.erased_at for row in rows}
