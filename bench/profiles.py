"""Profiles of 20 columns and 5 further features: cost a row and bytes an hour, against NumPy histograms by hand.

The peer is what a careful engineer writes without us: `numpy.histogram` per feature over the same edges, class and
latency counts by `numpy.bincount`, sent as zlib-compressed JSON. The rows are synthetic (normal columns, Dirichlet
scores): binning costs the same for any values. Left out: evidently, whylogs and DataSketches (not in this
environment) and images, whose statistics cost more than their bins.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable

import numpy as np

from edgewright.contract.profile import FeatureKind, Profile, Schema, build_schema, encode_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

COLUMNS = 20
CLASSES = 10
HOUR_ROWS = 3600
TRAINING_ROWS = 10_000
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
    generator = np.random.default_rng(0)
    schema = the_schema(generator)
    lines = [
        cost(schema, generator, "one row a call", 1, 5_000, bound=15.0),
        cost(schema, generator, "64 rows a call", 64, 50_000, bound=5.0),
        cost(schema, generator, "10,000 rows a call", 10_000, 400_000, bound=3.0),
        wire(schema, generator),
        size(schema),
    ]
    for line in lines:
        print(json.dumps(line))
    return 0 if all(line["holds"] for line in lines) else 1


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


def cost(schema: Schema, generator: np.random.Generator, name: str, batch: int, total: int, bound: float) -> dict:
    """CPU microseconds a row, the better of three rounds of each, taken in turns."""
    inputs, outputs = rows(generator, batch)
    ours = peer = float("inf")
    for _ in range(3):
        ours = min(ours, cpu_us(lambda: count_with(Profile(schema), inputs, outputs, total // batch)) / total)
        peer = min(
            peer, cpu_us(lambda: count_with(HandProfile(schema), inputs, outputs, total // batch // 5)) / (total / 5)
        )
    return figure(f"profile cost, {name}", ours, peer, "numpy.histogram by hand", "CPU us/row", bound)


def count_with(profile: Profile | HandProfile, inputs: dict, outputs: dict, calls: int) -> None:
    """Profile the same batch `calls` times."""
    for _ in range(calls):
        profile.update(inputs, outputs, 0.001)
    profile.to_bytes()


def wire(schema: Schema, generator: np.random.Generator) -> dict:
    """Bytes of one hour of one row a second."""
    ours, peer = Profile(schema), HandProfile(schema)
    for latency_s in generator.lognormal(-7, 0.2, HOUR_ROWS // 10):
        batch = rows(generator, 10)
        ours.update(*batch, float(latency_s))
        peer.update(*batch, float(latency_s))
    return figure(
        "profile of one hour, 25 features",
        len(ours.to_bytes()),
        len(peer.to_bytes()),
        "same counts, zlib JSON",
        "bytes",
        1100,
    )


def size(schema: Schema) -> dict:
    """Bytes of the schema that travels in the package, against its own zlib: what packing it further would save."""
    data = encode_schema(schema)
    return figure(
        "schema in the package, 25 features", len(data), len(zlib.compress(data, 9)), "the same, zlib", "bytes", 20_000
    )


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


def cpu_us(act: Callable[[], None]) -> float:
    """CPU time of `act` in microseconds."""
    start = time.process_time()
    act()
    return (time.process_time() - start) * 1e6


if __name__ == "__main__":
    sys.exit(main())
