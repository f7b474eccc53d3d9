"""Captured samples in SQL: as they come in, as they wait for labels, and as answers that were right or wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from edgewright.contract import arrays, report
from edgewright.contract.api import SampleRecord
from edgewright.contract.errors import HostileInput
from edgewright.hub.data import labels, table
from edgewright.hub.data.model import RESERVOIR, Answer, sample_id
from edgewright.hub.db import to_record

MAX_OUTPUTS_BYTES = 1 << 20
_COPIED = ("model", "version", "request", "reference", "chosen_as", "uncertainty", "at", "subject", "groups", "weight")

Predicted = Callable[[report.Sample], int | None]
"""Which class the version that answered chose; None where that is not known."""


def add(
    connection: sa.Connection,
    device: str,
    samples: Sequence[report.Sample],
    predicted: Predicted,
    put: Callable[[bytes], str],
    expires_at: Callable[[report.Sample], float | None],
) -> Counter[tuple[str, str]]:
    """Keep those that are not known yet, and have them on their way to the lake; `put` keeps the inputs.

    Returns how many of which (model, request) had a label waiting for them. Raises HostileInput.
    """
    references: dict[str, dict[str, str]] = defaultdict(dict)
    for item in samples:
        id = sample_id(device, item.id)
        if connection.scalar(sa.select(table.sample.c.id).where(table.sample.c.id == id)) is not None:
            continue
        read_tensors(item.inputs)
        row: dict[str, Any] = {name: getattr(item, name) for name in _COPIED}
        row |= {"id": id, "device": device, "sha256": put(item.inputs), "predicted": predicted(item)}
        connection.execute(sa.insert(table.sample).values(**row, expires_at=expires_at(item)))
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
    limit: int | None = None,
) -> list[SampleRecord]:
    """Captured samples, oldest first."""
    of = table.sample.c
    query = sa.select(table.sample).order_by(of.at, of.id).limit(limit)
    if model:
        query = query.where(of.model == model)
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


def right_of(
    connection: sa.Connection, model: str, version: int, devices: Sequence[str], since: float
) -> tuple[int, int]:
    """How many labelled reservoir samples of these devices a version answered right, and how many there are."""
    of = table.sample.c
    right = sa.func.coalesce(sa.func.sum(sa.case((of.label == of.predicted, 1), else_=0)), 0)
    query = sa.select(right, sa.func.count()).where(of.model == model, of.version == version, of.at >= since)
    query = query.where(of.chosen_as == RESERVOIR, of.label.is_not(None), of.predicted.is_not(None))
    found = connection.execute(query.where(of.device.in_(devices))).one()
    return int(found[0]), int(found[1])


def answers(connection: sa.Connection, model: str, version: int, after: int) -> list[Answer]:
    """See Data.answers."""
    of = table.sample.c
    names = ("label_number", "device", "at", "labelled_at", "predicted", "label", "chosen_as", "groups")
    query = sa.select(*(of[name] for name in names)).where(of.model == model, of.version == version)
    query = query.where(of.label_number > after, of.label.is_not(None)).order_by(of.label_number)
    return [Answer(*row) for row in connection.execute(query)]


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a sample by name; raises HostileInput."""
    try:
        return arrays.decode(data, "a sample's inputs")
    except HostileInput as error:
        raise HostileInput(error.message, field="inputs") from error
