"""Which samples of a device will do, and what is wrong with the others: pure rules."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, Dtype

MAX_ID_CHARS = 200
MAX_REFERENCE_CHARS = 200
MAX_SUBJECT_CHARS = 64
MAX_GROUPS = 8
MAX_GROUP_CHARS = 100
MAX_WEIGHT = 1e9
CHOSEN_AS = ("uncertain", "reservoir")
MAX_AHEAD_S = 86_400.0
"""How far a device's clock may run ahead of the hub's, as of windows. One that is behind is taken as it is."""


def fault_of(sample: Sample, now: float) -> str:
    """What is wrong with a sample whatever was asked for; '' if nothing is."""
    if not 0 < len(sample.id) <= MAX_ID_CHARS or len(sample.reference) > MAX_REFERENCE_CHARS:
        return f"its id or its reference is longer than {MAX_ID_CHARS} characters, or it has no id"
    if sample.chosen_as not in CHOSEN_AS:
        return f"it was not chosen as one of {', '.join(CHOSEN_AS)}"
    if not (math.isfinite(sample.at) and math.isfinite(sample.uncertainty) and 0 <= sample.weight <= MAX_WEIGHT):
        return "its time, its uncertainty or its weight is no number that can be"
    if not 0 <= sample.at <= now + MAX_AHEAD_S:
        return "its time is before 1970, or more than a day ahead of the hub's"
    words = [word for pair in sample.groups.items() for word in pair]
    if len(sample.groups) > MAX_GROUPS or any(len(word) > MAX_GROUP_CHARS for word in words):
        return f"it has more than {MAX_GROUPS} groups, or one of more than {MAX_GROUP_CHARS} characters"
    if len(sample.subject) > MAX_SUBJECT_CHARS:
        return f"the key of its subject is longer than {MAX_SUBJECT_CHARS} characters"
    return ""


def misfit(tensors: Mapping[str, np.ndarray], contract: Contract, policy: DataPolicy) -> str:
    """How the tensors of a sample differ from one row of the inputs that may leave a device; '' if they fit.

    What the release allowed then and the policy forbids now is not taken in.
    """
    allowed = {spec.name: spec for spec in policy.leaving(contract)}
    if not tensors or not set(tensors) <= set(allowed):
        return f"it has the inputs {sorted(tensors)[:8]}; contract and data policy let {sorted(allowed)[:8]} leave"
    for name, tensor in tensors.items():
        spec, is_text = allowed[name], tensor.dtype.kind not in "biuf"
        fits = len(tensor.shape) == len(spec.shape) and all(
            want in (None, size) for want, size in zip(spec.shape[1:], tensor.shape[1:], strict=True)
        )
        if not fits or tensor.shape[0] != 1 or is_text != (spec.dtype is Dtype.STRING):
            return f"'{name[:80]}' has the shape {tensor.shape}, the contract says {spec.shape}"
    return ""
