"""Takes in a batch of a device's records: each kind to its room, all in one transaction."""

from __future__ import annotations

import structlog

from edgewright.contract.report import Batch, BatchReply, Fault, InstallReport, ProfileWindow, Sample
from edgewright.hub.app import Hub

log = structlog.get_logger()


def take_in(hub: Hub, device: str, batch: Batch) -> BatchReply:
    """Commit every record, or none; what was known before counts as committed."""
    reports = [record for record in batch.records if isinstance(record, InstallReport)]
    windows = [record for record in batch.records if isinstance(record, ProfileWindow)]
    samples = [record for record in batch.records if isinstance(record, Sample)]
    faults = [record for record in batch.records if isinstance(record, Fault)]
    with hub.db.write() as connection:
        for report in reports:
            hub.rollouts.on_report(connection, device, report)
        if windows:
            hub.observe.ingest(connection, device, windows)
        if samples:
            hub.data.add_samples(connection, device, samples)
        for fault in faults:
            hub.events.record(connection, "fleet.fault", device, code=fault.code, message=fault.message[:500])
    return BatchReply(committed=tuple(record.id for record in batch.records))
