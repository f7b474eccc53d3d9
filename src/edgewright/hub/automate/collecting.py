"""Which samples of a device will do, and what is wrong with the others: pure rules."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, Dtype

MAX_ID_CHARS = 200
MAX_REFERENCE_CHARS = 200
CHOSEN_AS = ("uncertain", "reservoir")


def fault_of(sample: Sample) -> str:
    """What is wrong with a sample whatever was asked for; '' if nothing is."""
    if not 0 < len(sample.id) <= MAX_ID_CHARS or len(sample.reference) > MAX_REFERENCE_CHARS:
        return f"its id or its reference is longer than {MAX_ID_CHARS} characters, or it has no id"
    if sample.chosen_as not in CHOSEN_AS:
        return f"it was not chosen as one of {', '.join(CHOSEN_AS)}"
    if not (math.isfinite(sample.at) and math.isfinite(sample.uncertainty)):
        return "its time or its uncertainty is no number"
    return ""


def misfit(tensors: Mapping[str, np.ndarray], contract: Contract) -> str:
    """How the tensors of a sample differ from one row of the contract's inputs; '' if they fit."""
    wanted = {spec.name: spec for spec in contract.inputs}
    if set(tensors) != set(wanted):
        return f"it has the inputs {sorted(tensors)[:8]}, the contract {sorted(wanted)[:8]}"
    for name, spec in wanted.items():
        shape, is_text = tensors[name].shape, tensors[name].dtype.kind not in "biuf"
        fits = len(shape) == len(spec.shape) and all(
            want in (None, size) for want, size in zip(spec.shape[1:], shape[1:], strict=True)
        )
        if not fits or shape[0] != 1 or is_text != (spec.dtype is Dtype.STRING):
            return f"'{name[:80]}' has the shape {shape}, the contract says {spec.shape}"
    return ""
