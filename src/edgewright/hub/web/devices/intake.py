"""Takes in a batch of a device's records: each kind to its room, all in one act."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from edgewright.contract.errors import HostileInput
from edgewright.contract.report import Batch, BatchReply, BenchReport, Fault, InstallReport, ProfileWindow, Sample
from edgewright.hub.app import Hub

MAX_RECORDS = 5000
MAX_CODE_CHARS = 100
MAX_MESSAGE_CHARS = 500


Act = Callable[[sa.Connection], BatchReply]


def intake(hub: Hub, device: str, batch: Batch) -> Act:
    """What commits every record of a batch, or none; what was known before counts as committed."""
    if len(batch.records) > MAX_RECORDS:
        raise HostileInput(f"a batch has at most {MAX_RECORDS} records, not {len(batch.records)}", field="records")
    return lambda connection: _take_in(hub, connection, device, batch)


def _take_in(hub: Hub, connection: sa.Connection, device: str, batch: Batch) -> BatchReply:
    windows = [record for record in batch.records if isinstance(record, ProfileWindow)]
    samples = [record for record in batch.records if isinstance(record, Sample)]
    for record in batch.records:
        match record:
            case InstallReport():
                hub.rollouts.on_report(connection, device, record)
            case BenchReport():
                hub.benches.on_report(connection, device, record)
            case Fault():
                facts = {"code": record.code[:MAX_CODE_CHARS], "message": record.message[:MAX_MESSAGE_CHARS]}
                hub.events.record(connection, "fleet.fault", device, **facts)
    if windows:
        hub.observe.ingest(connection, device, windows)
    if samples:
        wanted = hub.collections.wanted(connection, device, samples)
        groups = hub.fleet.labels_of(connection, device)
        seen = hub.observe
        hub.data.add_samples(connection, device, wanted, seen.predicted, groups, scored=seen.scored)
    return BatchReply(committed=tuple(record.id for record in batch.records))
