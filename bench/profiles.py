"""Profiles: a million rows profiled and compared, the cost of one inference, bytes an hour, thousands of merges.

Peers: evidently and whylogs profile and compare the same rows, each in a process and a virtual environment of its own
(`--peers FOLDER`; made where there is none), in CPU time of one thread, without loading the rows. Ours and whylogs keep
a profile of the reference, made when a model is registered, so it is made beforehand; evidently needs the reference's
rows at each comparison. The device path is a recorder's, as every request goes through it:
its peer is what a careful engineer writes without us, `numpy.histogram` per feature over the same edges. The rows are
synthetic (normal and log-normal columns, geometric codes, Dirichlet scores): binning costs the same for any values.
Left out: images, sounds and embeddings, whose measures cost more than their bins.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from profiling import peers
from profiling import rows as world
from profiling.path import Requests, device_path_us

from edgewright.contract.profile import FeatureKind, Profile, Schema, build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.detectors import Baseline, Pane, detector

COLUMNS = 20
CLASSES = 10
HOUR_ROWS = 3600
TRAINING_ROWS = 10_000
WINDOWS = 10_000
TIMES = {"evidently": 100, "whylogs": 20}
PEERS = Path(sys.prefix) / "peers"
Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


class HandProfile:
    """The peer: one histogram per feature."""

    def __init__(self, schema: Schema) -> None:
        self.edges = [
            np.array([-np.inf, *b.edges, np.inf]) for b in schema.bins if b.feature.kind is FeatureKind.NUMERIC
        ]
        self.counts = [np.zeros(len(edges) - 1, np.int64) for edges in self.edges]
        self.missing = np.zeros(len(self.edges), np.int64)
        self.classes = np.zeros(CLASSES, np.int64)
        self.latency = np.zeros(208, np.int64)

    def update(self, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray], latency_s: float) -> None:
        scores = outputs["scores"]
        values = [*inputs["x"].T, scores.max(axis=1), *outputs["answer"].T]
        for place, (column, edges) in enumerate(zip(values, self.edges, strict=True)):
            is_missing = np.isnan(column)
            self.missing[place] += np.count_nonzero(is_missing)
            self.counts[place] += np.histogram(column[~is_missing], edges)[0]
        self.classes += np.bincount(scores.argmax(axis=1), minlength=CLASSES)
        self.latency[int((np.log2(latency_s) + 20) * 8)] += len(scores)

    def to_bytes(self) -> bytes:
        counts = [*self.counts, self.missing, self.classes, self.latency]
        return zlib.compress(json.dumps([count.tolist() for count in counts]).encode(), 9)


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    options = _parser().parse_args()
    holds = True
    for line in lines(options):
        print(json.dumps(line), flush=True)
        holds &= bool(line["holds"])
    return 0 if holds else 1


def lines(options: argparse.Namespace) -> Iterator[dict]:
    """Every figure, as it is measured."""
    generator = np.random.default_rng(0)
    schema = the_schema(generator)
    requests = Requests([rows(generator, 1) for _ in range(4096)])
    yield device_path(schema, requests)
    yield cost(schema, generator, "64 rows a call", 64, 50_000, bound=5.0)
    yield wire(schema, generator)
    yield size(schema)
    yield merge(schema, generator)
    live_rows = 100_000 if options.quick else world.LIVE_ROWS
    ours_s, drifted = profile_and_compare(live_rows)
    for name, times in TIMES.items():
        told = peers.ask(peers.python_with(options.peers, name), name, live_rows)
        yield {
            "figure": f"{live_rows} rows x 25 columns profiled and compared",
            "ours": round(ours_s, 3),
            "peer": round(told.cpu_s, 3),
            "peer_name": f"{name} ({told.note or told.why})",
            "ratio": round(told.cpu_s / ours_s, 1),
            "unit": "CPU s",
            "bound": f"peer >= {times} x ours",
            "holds": bool(told.cpu_s >= times * ours_s),
            "drifted": drifted,
            "drifted_by_peer": told.drifted,
            "truly_drifted": world.SHIFTED,
        }


def profile_and_compare(live_rows: int) -> tuple[float, int]:
    """CPU seconds from raw live rows to which features have drifted (the best of three rounds), and how many have."""
    contract = Contract(
        inputs=(
            TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, world.NUMBERS)),
            TensorSpec(name="c", dtype=Dtype.INT32, shape=(None, world.CODES), kind=Kind.CATEGORICAL),
        ),
        outputs=(),
    )
    reference, live = (dict(zip("xc", made, strict=True)) for made in (world.reference(), world.live(live_rows)))
    schema = build_schema(contract, "bench", 1, reference, {})
    best, drifted = float("inf"), 0
    for _ in range(3):
        started = time.process_time()
        seen = Profile(schema)
        seen.update(live, {})
        baseline, watch = Baseline(schema), detector("data-drift")
        state = watch.fresh(baseline)
        for start in (0.0, 60.0):
            pane = Pane(start=start, end=start + 60, rows=seen.rows / 2, counts=seen.counts / 2)
            state = watch.step(state, baseline, pane)
        drifted = len(watch.judge(state, baseline).alarmed)
        best = min(best, time.process_time() - started)
    return best, drifted


def the_schema(generator: np.random.Generator) -> Schema:
    """20 columns, the top score, the predicted class, two answers and latency."""
    contract = Contract(
        inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, COLUMNS)),),
        outputs=(
            TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, CLASSES), kind=Kind.SCORES),
            TensorSpec(name="answer", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.VALUE),
        ),
    )
    inputs, outputs = rows(generator, TRAINING_ROWS)
    return build_schema(contract, "bench", 1, inputs, outputs)


def rows(generator: np.random.Generator, count: int) -> Batch:
    """Rows as a device's app sees them."""
    scores = generator.dirichlet(np.ones(CLASSES) * 0.3, count).astype(np.float32)
    answer = generator.normal(size=(count, 2)).astype(np.float32)
    return {"x": generator.normal(size=(count, COLUMNS)).astype(np.float32)}, {"scores": scores, "answer": answer}


def device_path(schema: Schema, requests: Requests) -> dict:
    """CPU microseconds an inference, through the recorder of a serving process: buffer, flaws and latency included."""
    with tempfile.TemporaryDirectory() as folder:
        ours = device_path_us(Path(folder), schema, requests)
    some = requests.batches[:500]
    peer = min(cpu_us(lambda: [HandProfile(schema).update(*one, 0.001) for one in some]) / 500 for _ in range(3))
    return figure("device path, 20 + 5 features, one row a request", ours, peer, BY_HAND, "CPU us/inference", 5.0)


def cost(schema: Schema, generator: np.random.Generator, name: str, batch: int, total: int, bound: float) -> dict:
    """CPU microseconds a row, the better of three rounds of each, taken in turns."""
    inputs, outputs = rows(generator, batch)
    ours = peer = float("inf")
    for _ in range(3):
        ours = min(ours, cpu_us(lambda: count_with(Profile(schema), inputs, outputs, total // batch)) / total)
        peer = min(
            peer, cpu_us(lambda: count_with(HandProfile(schema), inputs, outputs, total // batch // 5)) / (total / 5)
        )
    return figure(f"profile cost, {name}", ours, peer, BY_HAND, "CPU us/row", bound)


def count_with(profile: Profile | HandProfile, inputs: dict, outputs: dict, calls: int) -> None:
    """Profile the same batch `calls` times."""
    for _ in range(calls):
        profile.update(inputs, outputs, 0.001)
    profile.to_bytes()


def wire(schema: Schema, generator: np.random.Generator) -> dict:
    """Bytes of one hour of one row a second, with what a device tells of itself."""
    ours, peer = Profile(schema), HandProfile(schema)
    for latency_s in generator.lognormal(-7, 0.2, HOUR_ROWS // 10):
        batch = rows(generator, 10)
        ours.update(*batch, float(latency_s))
        peer.update(*batch, float(latency_s))
    for _ in range(60):
        memory_bytes, share, degrees = 2e8, generator.uniform(0.1, 0.4), generator.normal(55, 4)
        readings = {FeatureKind.MEMORY: memory_bytes, FeatureKind.CPU: share, FeatureKind.TEMPERATURE: degrees}
        ours.read_vitals(readings)
    name = "profile of one hour, 20 + 5 features and vitals"
    return figure(name, len(ours.to_bytes()), len(peer.to_bytes()), "20 + 5 alone, zlib JSON", "bytes", 1500)


def size(schema: Schema) -> dict:
    """Bytes of the schema that travels in the package, against its own zlib: what packing it further would save."""
    data = encode_schema(schema)
    return figure(
        "schema in the package, 25 features", len(data), len(zlib.compress(data, 9)), "the same, zlib", "bytes", 20_000
    )


def merge(schema: Schema, generator: np.random.Generator) -> dict:
    """Seconds from the bytes of 10,000 windows of a minute to one profile; the peer reads and adds one by one."""
    payloads = [a_minute(schema, generator) for _ in range(200)] * (WINDOWS // 200)
    ours = min(cpu_us(lambda: Profile.read_all(schema, payloads)) for _ in range(5)) / 1e6

    def one_by_one() -> None:
        total = Profile(schema)
        for payload in payloads:
            total.merge(Profile.from_bytes(schema, payload))

    return figure(f"{WINDOWS} device-windows merged", ours, cpu_us(one_by_one) / 1e6, "one by one", "CPU s", 0.1)


def a_minute(schema: Schema, generator: np.random.Generator) -> bytes:
    """A window of 60 rows on the wire."""
    seen = Profile(schema)
    seen.update(*rows(generator, 60), float(generator.lognormal(-7, 0.2)))
    seen.read_vitals({FeatureKind.MEMORY: 2e8, FeatureKind.CPU: generator.uniform(0.1, 0.4)})
    return seen.to_bytes()


BY_HAND = "numpy.histogram by hand"


def figure(name: str, ours: float, peer: float, peer_name: str, unit: str, bound: float) -> dict:
    """One line as every bench prints it; ours must be at most `bound`."""
    return {
        "figure": name,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(ours / peer, 3),
        "unit": unit,
        "bound": f"<= {bound}",
        "holds": ours <= bound,
    }


def cpu_us(act: Callable[[], object]) -> float:
    """CPU time of `act` in microseconds."""
    start = time.process_time()
    act()
    return (time.process_time() - start) * 1e6


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--peers", type=Path, default=PEERS, help="folder of the peers' virtual environments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
