"""Captured samples in SQL: as they come in, as they wait for labels, and as answers that were right or wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.contract import arrays, report
from edgewright.contract.api import SampleRecord
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import HostileInput
from edgewright.hub.data import table
from edgewright.hub.data.model import Answer, expiry, sample_id
from edgewright.hub.data.samples import labels
from edgewright.hub.db import to_record

MAX_OUTPUTS_BYTES = 1 << 20
_COPIED = ("model", "version", "request", "reference", "chosen_as", "uncertainty", "at", "subject", "weight")

Predicted = Callable[[report.Sample], int | None]
"""Which class the version that answered chose; None where that is not known."""
Scored = Callable[[report.Sample], float | None]
"""How sure it was of that; None where that is not known."""


class News(NamedTuple):
    """What a device sends: who it is, its groups (a site, a kind of hardware), when, and how it is kept."""

    device: str
    groups: Mapping[str, str]
    at: float
    predicted: Predicted
    scored: Scored
    put: Callable[[bytes], str]
    """Keeps a sample's inputs and returns their digest."""


def add(connection: sa.Connection, news: News, samples: Sequence[report.Sample]) -> Counter[tuple[str, str]]:
    """Keep those that are not known yet, and have them on their way to the lake.

    Returns how many of which (model, request) had a label waiting for them. Raises HostileInput.
    """
    policies: dict[str, DataPolicy] = {}
    references: dict[str, dict[str, str]] = defaultdict(dict)
    for item in samples:
        id = sample_id(news.device, item.id)
        if connection.scalar(sa.select(table.sample.c.id).where(table.sample.c.id == id)) is not None:
            continue
        if item.model not in policies:
            policies[item.model] = _policy(connection, item.model)
        read_tensors(item.inputs)
        row: dict[str, Any] = {name: getattr(item, name) for name in _COPIED}
        row |= {"id": id, "device": news.device, "sha256": news.put(item.inputs)}
        row |= {"predicted": news.predicted(item), "score": news.scored(item)}
        row |= {"groups": {**news.groups, **item.groups}, "expires_at": expiry(policies[item.model], item.at, news.at)}
        connection.execute(sa.insert(table.sample).values(row))
        outputs = item.outputs if len(item.outputs) <= MAX_OUTPUTS_BYTES else b""
        connection.execute(sa.insert(table.lake_row).values(sample=id, outputs=outputs))
        references[item.model][id] = item.reference
    touched: Counter[tuple[str, str]] = Counter()
    for model, named in references.items():
        touched += labels.join_waiting(connection, model, named)
    return touched


def find(
    connection: sa.Connection,
    model: str = "",
    *,
    request: str = "",
    is_labelled: bool | None = None,
    is_disputed: bool | None = None,
    sample: str = "",
    limit: int | None = None,
) -> list[SampleRecord]:
    """Captured samples, oldest first."""
    of = table.sample.c
    query = sa.select(table.sample).order_by(of.at, of.id).limit(limit)
    if model:
        query = query.where(of.model == model)
    if sample:
        query = query.where(of.id == sample)
    if request:
        query = query.where(of.request == request)
    if is_labelled is not None:
        query = query.where(of.label.is_not(None) if is_labelled else of.label.is_(None))
    if is_disputed is not None:
        query = query.where(of.is_disputed == is_disputed)
    return [to_record(row, SampleRecord) for row in connection.execute(query).mappings()]


def ids_of(connection: sa.Connection, device: str, request: str) -> set[str]:
    """The ids of the samples that a device has sent for a request."""
    query = sa.select(table.sample.c.id).where(table.sample.c.request == request, table.sample.c.device == device)
    return set(connection.scalars(query))


def answers(connection: sa.Connection, model: str, version: int, after: int) -> list[Answer]:
    """See Data.answers."""
    of = table.sample.c
    names = ("label_number", "device", "at", "labelled_at", "predicted", "label", "chosen_as", "groups", "score")
    query = sa.select(*(of[name] for name in names)).where(of.model == model, of.version == version)
    query = query.where(of.label_number > after, of.label.is_not(None)).order_by(of.label_number)
    return [Answer(*row) for row in connection.execute(query)]


def _policy(connection: sa.Connection, model: str) -> DataPolicy:
    found = connection.scalar(sa.select(table.data_policy.c.policy).where(table.data_policy.c.model == model))
    return msgspec.convert(found, DataPolicy) if found else DataPolicy()


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a sample by name; raises HostileInput."""
    try:
        return arrays.decode(data, "a sample's inputs")
    except HostileInput as error:
        raise HostileInput(error.message, field="inputs") from error
