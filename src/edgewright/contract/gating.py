"""What a gate can hold a wave to: each metric with its default, for the hub that judges and the people who choose."""

from __future__ import annotations

import msgspec

DAY_S = 86_400.0
BROAD_SHARE = 0.10
"""Of a wave's devices: more than this make a finding, fewer may be broken alone, or lie."""
ALPHA = 0.05


class GateMetric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: `limit` is the default of what may be `least` to `most`; `is_default` ones are on for everybody.

    Where its evidence is missing, a rule holds the wave for `wait_s` after its devices have committed.
    """

    name: str
    about: str
    limit: float
    least: float = 0.0
    most: float = 1.0
    is_default: bool = True
    wait_s: float = 0.0


GATE_METRICS = {
    metric.name: metric
    for metric in (
        GateMetric(name="crashes", about="share of devices on which it crashed, at most", limit=BROAD_SHARE),
        GateMetric(
            name="golden_parity", about="share of devices that fail the golden test, at most", limit=BROAD_SHARE
        ),
        GateMetric(name="latency", about="share of devices over the latency budget, at most", limit=BROAD_SHARE),
        GateMetric(name="memory", about="share of devices over the memory budget, at most", limit=BROAD_SHARE),
        GateMetric(name="shadow_agreement", about="agreement with the running version, at least", limit=0.5),
        GateMetric(name="score_shift", about="shift of the scores, at most", limit=0.5),
        GateMetric(
            name="canary_failures",
            about="requests fail no more often than on controls; false alarms, at most",
            limit=ALPHA,
            least=1e-4,
            most=0.5,
        ),
        GateMetric(
            name="canary_unsure",
            about="low scores are no more frequent than on controls; false alarms, at most",
            limit=ALPHA,
            least=1e-4,
            most=0.5,
            is_default=False,
        ),
        GateMetric(
            name="drift",
            about="distance of its data from its training data, at most",
            limit=0.1,
            is_default=False,
            wait_s=DAY_S,
        ),
        GateMetric(
            name="estimated_accuracy",
            about="accuracy by its own scores, at least",
            limit=0.8,
            is_default=False,
            wait_s=DAY_S,
        ),
        GateMetric(
            name="labelled_accuracy",
            about="accuracy by labelled requests, at least",
            limit=0.8,
            is_default=False,
            wait_s=DAY_S,
        ),
        GateMetric(
            name="bias",
            about="difference of two groups' error rates by labelled requests, at most",
            limit=0.1,
            is_default=False,
            wait_s=DAY_S,
        ),
    )
}
