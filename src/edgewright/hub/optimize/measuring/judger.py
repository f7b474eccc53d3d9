"""The child that judges what models answered: `python -m edgewright.hub.optimize.measuring.judger QUESTION`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.contract.delta.maker import DeltaUnproven, make
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.hub.children import serve
from edgewright.hub.optimize.measuring import golden
from edgewright.hub.optimize.measuring.metrics import quality
from edgewright.hub.optimize.measuring.model import JudgeAnswer, Judged, JudgeQuestion, Verdict
from edgewright.hub.optimize.measuring.parity import judge
from edgewright.hub.registry.runner import Arrays, inputs_of

GROUP_KEY = "group"
MAX_DELTA_BYTES = 64 * 1024**2
MAX_DELTA_CPU_S = 5.0


def weigh(asked: JudgeQuestion) -> JudgeAnswer:
    """Do it. Raises InvalidInput where the source answers what is no number."""
    rows = asked.rows
    with np.load(rows.holdout, allow_pickle=False) as arrays:
        inputs = inputs_of(arrays, rows.contract)
        truth = arrays.get(rows.label_key)
        groups = arrays.get(GROUP_KEY)
    source = _load(asked.subjects[0].outputs)
    _check_finite(source)
    golden_rows, golden_source = golden.picked(inputs), _load(asked.subjects[0].answered)

    def weigh_one(subject: Judged) -> Verdict:
        outputs = _load(subject.outputs)
        if why := _misfit(source, outputs):
            return Verdict(id=subject.id, failure=why)
        found = quality(rows.contract, source, outputs, truth=truth, groups=groups)
        parity = judge(subject.precision, rows.contract, source, outputs, found, max_drop=asked.max_drop)
        Path(subject.golden).write_bytes(golden.encode(golden_rows, _load(subject.answered), golden_source))
        delta_bytes = _delta_bytes(Path(asked.parent), Path(subject.model)) if asked.parent else None
        return Verdict(id=subject.id, quality=found, parity=parity, delta_bytes=delta_bytes)

    return JudgeAnswer(verdicts=tuple(map(weigh_one, asked.subjects)))


def _check_finite(source: Arrays) -> None:
    for name, array in source.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            rows = int((~np.isfinite(array.reshape(len(array), -1))).any(axis=1).sum())
            raise InvalidInput(
                f"the source's output '{name}' is no finite number in {rows} of {len(array)} rows",
                field=f"contract.outputs.{name}",
                hint="Look for NaN or infinite weights, and for rows that no training has seen.",
            )


def _misfit(source: Arrays, outputs: Arrays) -> str:
    """Which of a subject's answers cannot be held against the source's, and why; "" for none."""
    for name, wanted in source.items():
        given = outputs.get(name)
        if given is None:
            return f"it has no output '{name}'"
        if (given.shape[:1], given.size) != (wanted.shape[:1], wanted.size):
            return f"its output '{name}' is of shape {list(given.shape)}, the source's of {list(wanted.shape)}"
    return ""


def _delta_bytes(parent: Path, model: Path) -> int | None:
    """What it takes to turn one into the other; None where nobody would wait for the answer."""
    if max(parent.stat().st_size, model.stat().st_size) > MAX_DELTA_BYTES:
        return None
    out = Path.cwd() / "delta"  # the folder of this child
    try:
        make(parent, model, out, max_cpu_s=MAX_DELTA_CPU_S)
    except (DeltaUnproven, HostileInput):
        return None
    return min(out.stat().st_size, model.stat().st_size)


def _load(path: str) -> Arrays:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    serve(weigh, JudgeQuestion)
