"""Gates: whether a wave advances, holds or rolls back, by what its devices report and how the model behaves there."""

from edgewright.hub.rollout.gates.canaries import COMPARISONS
from edgewright.hub.rollout.gates.decision import (
    Action,
    Decision,
    DeviceFacts,
    Health,
    WaveFacts,
    decide,
    health,
    is_away,
    silence_s,
)
from edgewright.hub.rollout.gates.evidence import Evidence, Installed, Labelled, Served
from edgewright.hub.rollout.gates.faults import note_fault
from edgewright.hub.rollout.gates.reading import Behaviour, Counted, EvidenceReader, Labels, Unwatched
from edgewright.hub.rollout.gates.rules import check_gate, judge, rules_of
from edgewright.hub.rollout.gates.shadow import shadow_policy

__all__ = [
    "COMPARISONS",
    "Action",
    "Behaviour",
    "Counted",
    "Decision",
    "DeviceFacts",
    "Evidence",
    "EvidenceReader",
    "Health",
    "Installed",
    "Labelled",
    "Labels",
    "Served",
    "Unwatched",
    "WaveFacts",
    "check_gate",
    "decide",
    "health",
    "is_away",
    "judge",
    "note_fault",
    "rules_of",
    "shadow_policy",
    "silence_s",
]
