"""`edgewright rollout gates`: what a gate can hold a wave to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.cli.output import Column, Json, show_table

if TYPE_CHECKING:
    from edgewright.contract.gating import GateMetric


def gates(as_json: Json = False) -> None:
    """List the metrics that gates can have rules on."""
    from edgewright.contract.gating import GATE_METRICS

    show_table(list(GATE_METRICS.values()), COLUMNS, as_json=as_json, empty="")


COLUMNS: list[Column[GateMetric]] = [
    ("METRIC", lambda one: one.name),
    ("LIMIT>", lambda one: f"{one.limit:g}"),
    ("ON", lambda one: "yes" if one.is_default else "if asked"),
    ("WHAT", lambda one: one.about),
]
