"""Takes in a batch of a device's records: each kind to its room, all in one transaction."""

from __future__ import annotations

from edgewright.contract.errors import HostileInput
from edgewright.contract.report import Batch, BatchReply, BenchReport, Fault, InstallReport, ProfileWindow, Sample
from edgewright.hub.app import Hub

MAX_RECORDS = 5000
MAX_CODE_CHARS = 100
MAX_MESSAGE_CHARS = 500


def take_in(hub: Hub, device: str, batch: Batch) -> BatchReply:
    """Commit every record, or none; what was known before counts as committed."""
    if len(batch.records) > MAX_RECORDS:
        raise HostileInput(f"a batch has at most {MAX_RECORDS} records, not {len(batch.records)}", field="records")
    reports = [record for record in batch.records if isinstance(record, InstallReport)]
    benches = [record for record in batch.records if isinstance(record, BenchReport)]
    windows = [record for record in batch.records if isinstance(record, ProfileWindow)]
    samples = [record for record in batch.records if isinstance(record, Sample)]
    faults = [record for record in batch.records if isinstance(record, Fault)]
    with hub.db.write() as connection:
        for report in reports:
            hub.rollouts.on_report(connection, device, report)
        for bench in benches:
            hub.benches.on_report(connection, device, bench)
        if windows:
            hub.observe.ingest(connection, device, windows)
        if samples:
            hub.data.add_samples(connection, device, hub.automate.wanted(connection, device, samples))
        for fault in faults:
            facts = {"code": fault.code[:MAX_CODE_CHARS], "message": fault.message[:MAX_MESSAGE_CHARS]}
            hub.events.record(connection, "fleet.fault", device, **facts)
    return BatchReply(committed=tuple(record.id for record in batch.records))
