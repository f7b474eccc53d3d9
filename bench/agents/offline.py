"""Thirty days offline, then one minute of link: what arrives within its bytes, against a first-in-first-out spool.

Three models close a window a minute (20 numeric features, 60 rows), there are a dozen faults, two install reports and
600 samples. The spool, its condensing and the hub's intake of windows are the real ones, on a virtual clock. The
minute carries LINK_BYTES_S a second and the day has BUDGET_BYTES: the smaller counts. Headers and TLS are left out,
alike on both sides. The peer has the same records in a spool of the same bound that takes and sends first in, first
out, and condenses nothing. 'Rows' are the requests that windows count: what the hub's totals are made of.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from securesystemslib.signer import CryptoSigner

from agents.figures import figure
from edgewright.agent.disk import Spool, Writer
from edgewright.agent.disk.spool import frames
from edgewright.agent.serve.condense import condense
from edgewright.agent.supervisor.condensing import MIN_MORE, MIN_WINDOWS
from edgewright.contract.profile import Profile, Schema, build_schema, encode_schema
from edgewright.contract.report import Fault, InstallReport, Outcome, ProfileWindow, Record, Sample
from edgewright.contract.tensors import Contract, Dtype, TensorSpec
from edgewright.hub.db import Database, metadata
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit
from edgewright.hub.observe import Observe

DAYS, MODELS, FEATURES, ROWS = 30, ("press", "saw", "lathe"), 20, 60
MINUTE_S, DAY_S, START = 60.0, 86_400.0, 1_800_000_000.0 // 86_400 * 86_400
SAMPLES, SAMPLE_BYTES = 600, 2000
SPOOL_BYTES = 64 * 1024 * 1024
LINK_BYTES_S, LINK_S, BUDGET_BYTES = 16_000, 60, 1_000_000
PAYLOADS = 64  # different windows of a model; making each of 129 600 anew would only take longer
RANDOM = np.random.default_rng(0)


class Arrived(NamedTuple):
    """What the hub has after the minute."""

    size_bytes: int
    rows: int
    reports: int
    faults: int
    samples: int


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        return _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path) -> int:
    schemas = {model: _schema(model) for model in MODELS}
    records, spent_s = _live(folder / "spool", schemas)
    raw_bytes = sum(size for size, *_ in records)
    waits_bytes = sum(entry.size_bytes for entry in Spool(folder / "spool").pending(10**7, 10**9))
    peer = _first_in_first_out(records)
    ours = _deliver(folder / "spool", *_observe(folder, schemas))
    rows = sum(one.rows for _, one in records if isinstance(one, ProfileWindow))
    faults = sum(isinstance(one, Fault) for _, one in records)
    allowed = min(LINK_BYTES_S * LINK_S, BUDGET_BYTES)
    matters = ours.rows == rows and ours.reports == 2 and ours.faults == faults and ours.size_bytes <= allowed
    name = "first in, first out, nothing condensed"
    shares = (ours.rows / rows, peer.rows / rows)
    found = [
        figure(
            "30 days offline: bytes that wait", waits_bytes, raw_bytes, name, "bytes",
            condensing_cpu_s=round(spent_s, 1), windows=len(MODELS) * int(DAYS * DAY_S / MINUTE_S),
        ),
        figure(
            "one minute of link: rows that the hub's totals have", 100 * shares[0], 100 * shares[1], name, "%",
            bound=f"100 within {allowed} bytes, with all reports and faults", holds=matters,
            link_bytes_s=LINK_BYTES_S, budget_bytes=BUDGET_BYTES, ours_sent=ours._asdict(), peer_sent=peer._asdict(),
        ),
    ]  # fmt: skip
    return 0 if all(found) else 1


def _live(folder: Path, schemas: dict[str, Schema]) -> tuple[list[tuple[int, Record]], float]:
    """Thirty days: every record with its framed size, and the processor time that condensing took."""
    writers = {model: Writer(folder, model, SPOOL_BYTES) for model in MODELS}
    spool, written, left, spent_s = Spool(folder, SPOOL_BYTES), [], 0, 0.0
    for model, record in _happening(schemas):
        writers[model].append(record)
        written.append((len(frames.encode(record)), record))
        if len(written) % (60 * len(MODELS)):
            continue
        if (waiting := spool.condensable()) >= max(MIN_WINDOWS, left + MIN_MORE):
            started = time.process_time()
            left = waiting
            while condense(folder) and spool.adopt():
                left = spool.condensable()
            spent_s += time.process_time() - started
        spool.shed()
    for writer in writers.values():
        writer.close()
    return written, spent_s


def _happening(schemas: dict[str, Schema]) -> Iterator[tuple[str, Record]]:
    payloads = {model: [_payload(schema) for _ in range(PAYLOADS)] for model, schema in schemas.items()}
    minutes = int(DAYS * DAY_S / MINUTE_S)
    for minute in range(minutes):
        at = START + minute * MINUTE_S
        for model in MODELS:
            yield model, ProfileWindow(
                id=f"{model}-7f3a-1:{minute}", model=model, version=1, counter=1, start=at, end=at + MINUTE_S,
                schema_sha256=schemas[model].sha256, rows=ROWS, payload=payloads[model][minute % PAYLOADS],
            )  # fmt: skip
        if minute % (minutes // 12) == 7:
            yield MODELS[0], Fault(id=f"fault:{minute}", at=at, code="profiling_failed", message="m" * 80)
        if minute % (minutes // SAMPLES) == 3:
            yield MODELS[1], _sample(minute, at)
        if minute in (minutes // 3, minutes // 2):
            yield MODELS[2], InstallReport(
                id=f"install:{minute}", at=at, deployment="d", model=MODELS[2], counter=1, step="commit",
                outcome=Outcome.COMMITTED,
            )  # fmt: skip


def _deliver(folder: Path, db: Database, observe: Observe) -> Arrived:
    """The minute: batches as the agent makes them, until the bytes are used up; the hub's totals in the end."""
    spool, left_bytes, got = Spool(folder, SPOOL_BYTES), min(LINK_BYTES_S * LINK_S, BUDGET_BYTES), []
    while entries := spool.pending(500, left_bytes):
        if sum(entry.size_bytes for entry in entries) > left_bytes:
            break
        entries = spool.sending(entries)
        windows = [entry.record for entry in entries if isinstance(entry.record, ProfileWindow)]
        with db.write() as connection:
            observe.ingest(connection, "far", windows)
        got += [entry.record for entry in entries]
        left_bytes -= sum(entry.size_bytes for entry in entries)
        spool.acknowledge([entry.record.id for entry in entries])
    rows = sum(used.rows for used in observe.usage())
    return _arrived(got, min(LINK_BYTES_S * LINK_S, BUDGET_BYTES) - left_bytes)._replace(rows=rows)


def _first_in_first_out(records: list[tuple[int, Record]]) -> Arrived:
    """The peer: a full spool takes nothing more, and what came first is sent first."""
    left_bytes, spool_bytes, got = min(LINK_BYTES_S * LINK_S, BUDGET_BYTES), 0, []
    for size_bytes, record in records:
        spool_bytes += size_bytes
        if size_bytes > left_bytes or spool_bytes > SPOOL_BYTES:
            break
        left_bytes -= size_bytes
        got.append(record)
    return _arrived(got, min(LINK_BYTES_S * LINK_S, BUDGET_BYTES) - left_bytes)


def _arrived(records: list[Record], size_bytes: int) -> Arrived:
    kinds = [sum(isinstance(one, kind) for one in records) for kind in (InstallReport, Fault, Sample)]
    return Arrived(size_bytes, sum(one.rows for one in records if isinstance(one, ProfileWindow)), *kinds)


def _observe(folder: Path, schemas: dict[str, Schema]) -> tuple[Database, Observe]:
    """The hub's own intake on a new SQLite file."""
    db = Database(f"sqlite:///{folder / 'hub.db'}")
    metadata.create_all(db.engine)

    def now() -> float:
        return START + DAYS * DAY_S

    audit = Audit(db, now, CryptoSigner.generate_ed25519())
    return db, Observe(db, Events(db, now), audit, now, lambda model, _: encode_schema(schemas[model]))


def _schema(model: str) -> Schema:
    names = tuple(f"f{n}" for n in range(FEATURES))
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, FEATURES), names=names)
    return build_schema(Contract(inputs=(spec,), outputs=()), model, 1, {"x": RANDOM.normal(size=(5000, FEATURES))}, {})


def _payload(schema: Schema) -> bytes:
    seen = Profile(schema)
    seen.update({"x": RANDOM.normal(size=(ROWS, FEATURES))}, {}, 0.001)
    return seen.to_bytes()


def _sample(number: int, at: float) -> Sample:
    return Sample(
        id=f"sample:{number}", request="r", model=MODELS[1], version=1, at=at, reference="", chosen_as="reservoir",
        uncertainty=0.5, inputs=RANDOM.bytes(SAMPLE_BYTES), outputs=RANDOM.bytes(16),
    )  # fmt: skip
