"""A study with something of everything: a front, trials that strayed, failed or were skipped, several places."""

from __future__ import annotations

from typing import Any

import msgspec

from edgewright.contract.api import (
    Constraints,
    Figures,
    Memory,
    Metric,
    Place,
    Quality,
    StudyRecord,
    StudyState,
    Timing,
    TrialRecord,
    TrialState,
)

STARTED = 1_799_999_800.0
HERE = "x86_64, onnxruntime 1.27.0"


def figures(accuracy: float, p95_ms: float, size_bytes: int, *, place: Place = Place.HUB, where: str = HERE) -> Figures:
    """What a trial measured, against a source of 97.8 %."""
    drop = 0.978 - accuracy
    return Figures(
        quality=Quality(
            metric=Metric.ACCURACY,
            value=accuracy,
            low=accuracy - 0.012,
            high=min(1.0, accuracy + 0.012),
            rows=360,
            drop=drop,
            drop_high=drop + 0.008,
            groups={"berlin": accuracy - 0.01, "oslo": accuracy + 0.01},
        ),
        timing=Timing(p50_ms=p95_ms * 0.8, p95_ms=p95_ms, p99_ms=p95_ms * 1.3, place=place, where=where),
        memory=Memory(peak_bytes=60_000_000 + size_bytes * 3, place=Place.HUB, where=HERE),
        size_bytes=size_bytes,
        delta_bytes=size_bytes // 9,
    )


def trial(id: str, *recipe: str, state: TrialState = TrialState.KEPT, reason: str = "", **facts: Any) -> TrialRecord:
    """One trial; its file is told by its id."""
    told = {"tools": {"onnxruntime": "1.27.0"}, "parity": 0.995, "seconds": 4.2, "sha256": id[1:].zfill(64)}
    return TrialRecord(id=id, recipe=recipe, state=state, reason=reason, **{**told, **facts})


def study(state: StudyState = StudyState.DONE, **facts: Any) -> StudyRecord:
    """A study of defects@3 on cpu-int8."""
    int8 = "static-int8 activations=u8 per_channel=True weights=s8"
    trials = (
        trial("t0", reason="the source", figures=figures(0.978, 0.210, 281_000), is_on_front=True),
        trial("t1", "clean", reason="agrees with the source", figures=figures(0.978, 0.204, 279_500), is_on_front=True),
        trial(
            "t2",
            "clean",
            int8,
            reason="agrees with the source on 99.4% of the hold-out",
            reasons=("folded 3 nodes", "quantised 6 of 6 layers per channel, calibrated on 512 rows"),
            figures=figures(0.975, 0.131, 84_200, place=Place.DEVICE, where="lane-3 (raspberry-pi-5)"),
            elsewhere=(Timing(p50_ms=0.05, p95_ms=0.06, p99_ms=0.07, place=Place.HUB, where=HERE),),
            is_on_front=True,
        ),
        trial(
            "t3",
            "clean",
            "prune-channels ratio=0.5",
            int8,
            reason="slower to make, smallest of all",
            figures=figures(0.969, 0.072, 31_900),
            is_on_front=True,
            is_cached=True,
        ),
        trial(
            "t4",
            "clean",
            "dynamic-int8",
            reason="t2 is better in everything",
            figures=figures(0.974, 1.480, 90_100),
            breaks=("latency_p95_ms",),
        ),
        trial(
            "t5",
            "clean",
            "prune ratio=0.9",
            state=TrialState.STRAYED,
            reason="agrees with the source on 61.1% of the hold-out (at least 98%)",
            figures=figures(0.602, 0.201, 279_000),
        ),
        trial("t6", "qat epochs=5", state=TrialState.FAILED, reason="step qat was killed by SIGKILL: out of memory"),
        trial("t7", "vela", state=TrialState.SKIPPED, reason="its toolchain vela is not installed"),
    )
    known = {
        "id": "optimize-7f3a",
        "model": "defects",
        "version": 3,
        "target": "cpu-int8",
        "constraints": Constraints(latency_p95_ms=0.5, size_bytes=200_000),
        "budget_s": 300.0,
        "started_at": STARTED,
        "ended_at": STARTED + 83.0,
        "trials": trials,
        "recommended": "t2",
        "chosen": "t2",
        "reasons": ("t2 is recommended: 3.34 times smaller and 1.60 times faster than the source, at a drop of 0.30%",),
    }
    return msgspec.convert({**known, "state": state, **facts}, StudyRecord, from_attributes=True)
