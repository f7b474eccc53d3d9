"""Detectors: pure rules over panes of profiles and answers, ours and yours, in one unit of evidence.

`detectors()` are those that are installed; `over_all` judges what many of them say of many segments together.
docs/reference/detectors.md has each one's formula, source and measured error rates, docs/howto/write-a-detector.md
how to add one.
"""

from edgewright.hub.observe.detectors.baseline import Baseline, HoldOut
from edgewright.hub.observe.detectors.drift.effects import drifting_devices
from edgewright.hub.observe.detectors.drift.usual import unlike_training
from edgewright.hub.observe.detectors.evidence import THRESHOLD, over_all
from edgewright.hub.observe.detectors.model import (
    Against,
    Answers,
    Change,
    Detector,
    Devices,
    Finding,
    Pane,
    Reads,
)
from edgewright.hub.observe.detectors.registry import detector, detectors, names

__all__ = [
    "THRESHOLD",
    "Against",
    "Answers",
    "Baseline",
    "Change",
    "Detector",
    "Devices",
    "Finding",
    "HoldOut",
    "Pane",
    "Reads",
    "detector",
    "detectors",
    "drifting_devices",
    "names",
    "over_all",
    "unlike_training",
]
