"""A device that has been offline: real profiles in a spool, and a hub that counts each row once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgewright.agent.disk.spool import Entry, Spool, Writer, frames, segments
from edgewright.agent.disk.spool.writer import MAX_SEGMENT_BYTES
from edgewright.contract.profile import Profile, Schema, build_schema
from edgewright.contract.report import Fault, InstallReport, Outcome, ProfileWindow, Record, Sample
from edgewright.contract.tensors import Contract, Dtype, TensorSpec

START = 1_800_000_000.0 // 86_400 * 86_400
SPEC = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2), names=("heat", "flow"))
RANDOM = np.random.default_rng(3)


def schema_of(model: str) -> Schema:
    return build_schema(Contract(inputs=(SPEC,), outputs=()), model, 1, {"x": RANDOM.normal(size=(400, 2))}, {})


SCHEMAS = {model: schema_of(model) for model in ("press", "saw")}


def window(number: int, *, at_s: float, model: str = "press", width_s: float = 60.0, rows: int = 3) -> ProfileWindow:
    seen = Profile(SCHEMAS[model])
    seen.update({"x": RANDOM.normal(size=(rows, 2))}, {}, 0.001)
    return ProfileWindow(
        id=f"{model}:{number}", model=model, version=1, counter=1, schema_sha256=SCHEMAS[model].sha256,
        start=START + at_s, end=START + at_s + width_s, rows=rows, payload=seen.to_bytes(),
    )  # fmt: skip


def windows(count: int, *, every_s: float = 60.0, model: str = "press") -> list[ProfileWindow]:
    """Windows one after the other from START on."""
    return [window(n, at_s=n * every_s, width_s=every_s, model=model) for n in range(count)]


def fault(id: str) -> Fault:
    return Fault(id=id, at=START, code="c", message="m")


def report(id: str) -> InstallReport:
    return InstallReport(
        id=id, at=START, deployment="d", model="press", counter=1, outcome=Outcome.COMMITTED, step="commit"
    )


def sample(id: str, at_s: float = 0.0, size_bytes: int = 100) -> Sample:
    return Sample(
        id=id, request="q", model="press", version=1, at=START + at_s, reference="", chosen_as="reservoir",
        uncertainty=0.0, inputs=b"i" * size_bytes, outputs=b"",
    )  # fmt: skip


def write(folder: Path, *records: Record, name: str = "app", segment_bytes: int = MAX_SEGMENT_BYTES) -> None:
    """What a writer that has gone left behind: as `append`, without waiting for the disk."""
    folder.mkdir(exist_ok=True)
    for kind, own in ((name, False), (name + segments.SAMPLES, True)):
        data = b""
        for record in [*(one for one in records if isinstance(one, Sample) == own), None]:
            data += frames.encode(record) if record is not None else b""
            if data and (record is None or len(data) >= segment_bytes):
                segments.next_path(folder, kind).write_bytes(data)
                data = b""


def append(folder: Path, *records: Record, name: str = "app") -> None:
    """Have a writer append them durably."""
    writer = Writer(folder, name)
    for record in records:
        writer.append(record)
    writer.close()


class Hub:
    """Takes each id once, as the real one does. `answers` False: it commits, and the answer is lost."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.order: list[Record] = []

    def take(
        self, spool: Spool, *, limit: int = 500, answers: bool = True, before: Callable[[], None] = lambda: None
    ) -> list[Entry]:
        """Have the worthiest sent."""
        entries = spool.sending(spool.pending(limit, 10**7))
        before()
        for entry in entries:
            if entry.record.id not in self.records:
                self.records[entry.record.id] = entry.record
                self.order.append(entry.record)
        if answers:
            spool.acknowledge([entry.record.id for entry in entries])
        return entries

    def take_all(self, spool: Spool) -> Hub:
        while self.take(spool):
            pass
        return self

    def counts(self) -> dict[str, list[int]]:
        """All slots' counts by model, and last the rows that windows say."""
        found = {model: Profile(schema) for model, schema in SCHEMAS.items()}
        rows: Counter[str] = Counter()
        for record in self.records.values():
            if isinstance(record, ProfileWindow):
                found[record.model].merge(Profile.from_bytes(SCHEMAS[record.model], record.payload))
                rows[record.model] += record.rows
        return {model: [*profile.counts.tolist(), rows[model]] for model, profile in found.items()}


def counts_of(*records: Record) -> dict[str, list[int]]:
    """What the hub must have counted once it has these, however they came."""
    hub = Hub()
    hub.records = {record.id: record for record in records}
    return hub.counts()
