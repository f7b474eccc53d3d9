"""Measures a variant against its source: fresh processes, taking turns, on the hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.contract.tensors import Contract
from edgewright.hub.children import ask
from edgewright.hub.optimize.measuring.parity import judge
from edgewright.hub.optimize.model import Figures, MeasureQuestion, Parity, Precision

TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Comparison:
    """Figures of both, the verdict, and where the variant's golden vectors lie."""

    source: Figures
    variant: Figures
    parity: Parity
    golden: Path


def compare(
    source: Path,
    variant: Path,
    *,
    holdout: Path,
    label_key: str,
    contract: Contract,
    tables: dict[str, str],
    precision: Precision,
    max_drop: float,
    folder: Path,
) -> Comparison:
    """Measure `source` and `variant` in two rounds of opposite order, writing into `folder`.

    Latencies are those of the quieter round, memory is the greater of both. Raises StepFailed if a model crashes,
    hangs or does not run on the hold-out.
    """
    question = MeasureQuestion(model="", holdout=str(holdout), contract=contract, tables=tables, label_key=label_key)
    paths = {"source": source, "variant": variant}
    rounds: dict[str, list[Figures]] = {"source": [], "variant": []}
    for name in ("source", "variant", "variant", "source"):
        asked = msgspec.structs.replace(question, model=str(paths[name]))
        if not rounds[name]:
            asked = msgspec.structs.replace(
                asked, outputs=str(folder / f"{name}.npz"), golden=str(folder / f"{name}.safetensors")
            )
        rounds[name].append(_ask(asked, name, folder))
    first, second = _quieter(rounds["source"]), _quieter(rounds["variant"])
    with np.load(folder / "source.npz") as wanted, np.load(folder / "variant.npz") as given:
        parity = judge(
            precision,
            contract,
            dict(wanted),
            dict(given),
            drop=first.accuracy - second.accuracy,
            max_drop=max_drop,
        )
    return Comparison(source=first, variant=second, parity=parity, golden=folder / "variant.safetensors")


def _ask(asked: MeasureQuestion, name: str, folder: Path) -> Figures:
    module = "edgewright.hub.optimize.measuring.measurer"
    return ask(module, asked, Figures, name=f"measuring the {name}", folder=folder, timeout_s=TIMEOUT_S)


def _quieter(rounds: list[Figures]) -> Figures:
    return msgspec.structs.replace(
        rounds[0],
        latency_p50_ms=min(figures.latency_p50_ms for figures in rounds),
        latency_p95_ms=min(figures.latency_p95_ms for figures in rounds),
        memory_bytes=max(figures.memory_bytes for figures in rounds),
    )
