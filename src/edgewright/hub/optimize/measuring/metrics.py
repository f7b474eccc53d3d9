"""How good a variant's answers are, with 95 % confidence intervals. Pure: arrays in, figures out.

Accuracy has Wilson's interval (Wilson 1927; Brown, Cai and DasGupta 2001 recommend it for few rows), the others a
percentile bootstrap over rows (Efron 1979). What a variant lost against its source is told by a paired bootstrap: both
answered the same rows, and are drawn again together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgewright.contract.api import Metric, Quality
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract, Kind, TensorSpec

SEED = 0
RESAMPLES = 1000
Z_95 = 1.959964
MAX_GROUPS = 64
NO_SPREAD = 1e-30
BOUNDLESS = 1e200
"""The squared error of an answer that is no number: so large that its row decides, and finite for sums."""

Outputs = Mapping[str, np.ndarray]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Worth:
    """What each row adds to a metric: for `of`, sums over any rows, drawn with the counts that it is given."""

    metric: Metric
    rows: int
    of: Callable[[Floats], float]

    @classmethod
    def mean(cls, metric: Metric, values: Floats) -> Worth:
        """Of a metric that is the mean of `values`, one for each row."""
        return cls(metric, len(values), lambda counts: float(counts @ values / counts.sum()))

    @classmethod
    def r2(cls, truth: Floats, answers: Floats) -> Worth:
        """The coefficient of determination, the mean over columns: arrays of rows × columns."""
        middle = truth.mean(axis=0)  # keeps digits where the truth is large and varies little
        truth, answers = truth - middle, answers - middle
        errors, squares = np.nan_to_num((truth - answers) ** 2, nan=BOUNDLESS, posinf=BOUNDLESS), truth**2

        def of(counts: Floats) -> float:
            spread = counts @ squares - (counts @ truth) ** 2 / counts.sum()
            return float(np.maximum(1 - counts @ errors / np.maximum(spread, NO_SPREAD), -1.0).mean())

        return cls(Metric.R2, len(truth), of)

    @property
    def value(self) -> float:
        """Over all rows."""
        return self.of(np.ones(self.rows))


def metric_of(contract: Contract) -> Metric:
    """How models of this contract are judged: by their classes, else their values, else their embeddings."""
    if _classifies(contract):
        return Metric.ACCURACY
    return Metric.R2 if contract.output_of(Kind.VALUE) is not None else Metric.COSINE


def quality(
    contract: Contract,
    source: Outputs,
    variant: Outputs,
    *,
    truth: np.ndarray | None,
    groups: np.ndarray | None = None,
    seed: int = SEED,
) -> Quality:
    """How good `variant` is on rows that `source` answered too; `truth` has one value (or row of them) for each.

    Embeddings need no truth: the source's are. r2 is cut off at -1, and an answer that is no finite number is worth
    nothing. Raises InvalidInput where there is no truth, or none that fits.
    """
    mine, theirs = worth(contract, source, variant, truth), worth(contract, source, source, truth)
    low, high, drop_high = _intervals(mine, theirs, seed)
    return Quality(
        metric=mine.metric,
        value=mine.value,
        low=low,
        high=high,
        rows=mine.rows,
        drop=theirs.value - mine.value,
        drop_high=drop_high,
        groups={} if groups is None else _by_group(mine, groups),
    )


def worth(contract: Contract, source: Outputs, variant: Outputs, truth: np.ndarray | None) -> Worth:
    """What each row's answer is worth by the metric of the contract."""
    metric = metric_of(contract)
    if metric is Metric.COSINE:
        name = _embedding(contract).name
        return Worth.mean(metric, _cosines(source[name], variant[name]))
    if truth is None:
        raise InvalidInput(f"{metric} needs the truth of each row, which the hold-out lacks", field="holdout")
    if metric is Metric.ACCURACY:
        classes = predicted(contract, variant)
        if truth.size != classes.size:
            raise InvalidInput(f"{truth.size} truths for {classes.size} answers", field="holdout")
        return Worth.mean(metric, (classes == truth.reshape(-1)).astype(np.float64))
    spec = contract.output_of(Kind.VALUE)
    assert spec is not None  # noqa: S101 (else the metric is another)
    answers = _columns(variant[spec.name])
    wanted = _columns(truth)
    if wanted.shape != answers.shape:
        raise InvalidInput(f"truths are {wanted.shape}, answers {answers.shape}", field="holdout")
    return Worth.r2(wanted, answers)


def predicted(contract: Contract, outputs: Outputs) -> np.ndarray:
    """The class of each row: the LABEL output, or the place of the highest of the SCORES."""
    if (label := contract.output_of(Kind.LABEL)) is not None:
        return outputs[label.name].reshape(-1)
    scores = contract.output_of(Kind.SCORES)
    assert scores is not None  # noqa: S101 (asked of classifiers alone)
    found: np.ndarray = outputs[scores.name].argmax(axis=-1).reshape(-1)
    return found


def wilson(share: float, rows: int) -> tuple[float, float]:
    """Both ends of the 95 % interval of a share that was seen in `rows` rows."""
    square = Z_95**2 / rows
    middle = (share + square / 2) / (1 + square)
    reach = Z_95 * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _intervals(mine: Worth, theirs: Worth, seed: int) -> tuple[float, float, float]:
    """Both ends of the value's interval, and the upper one of the drop's."""
    drawn = np.random.default_rng(seed)
    values, drops = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for at in range(RESAMPLES):
        picks = drawn.integers(0, mine.rows, mine.rows)
        counts = np.bincount(picks, minlength=mine.rows).astype(np.float64)
        values[at] = mine.of(counts)
        drops[at] = theirs.of(counts) - values[at]
    low, high = np.percentile(values, [2.5, 97.5])
    if mine.metric is Metric.ACCURACY:
        low, high = wilson(mine.value, mine.rows)
    return float(low), float(high), float(np.percentile(drops, 97.5))


def _by_group(mine: Worth, groups: np.ndarray) -> dict[str, float]:
    """The value of each group of rows; the largest MAX_GROUPS where there are more."""
    names, places, sizes = np.unique(groups.reshape(-1), return_inverse=True, return_counts=True)
    if len(places) != mine.rows:
        raise InvalidInput(f"'group' names {len(places)} rows of {mine.rows}", field="holdout.group")
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MAX_GROUPS])
    return {str(names[at]): mine.of((places == at).astype(np.float64)) for at in largest}


def _cosines(wanted: np.ndarray, given: np.ndarray) -> Floats:
    """Of each row: the mean over its vectors, where a row has several."""
    one, other = (
        array.reshape(len(array), -1, array.shape[-1]).astype(np.float64) for array in (wanted, given)
    )  # rows x vectors x length
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    with np.errstate(invalid="ignore"):
        cosines = (one * other).sum(axis=-1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    whole = np.where(lengths > 0, cosines, (one == other).all(axis=-1))
    return np.asarray(np.where(np.isfinite(other).all(axis=-1), whole, 0.0).mean(axis=-1))


def _columns(array: np.ndarray) -> Floats:
    return array.reshape(len(array), -1).astype(np.float64)


def _classifies(contract: Contract) -> bool:
    return contract.output_of(Kind.LABEL) is not None or contract.output_of(Kind.SCORES) is not None


def _embedding(contract: Contract) -> TensorSpec:
    return contract.output_of(Kind.EMBEDDING) or contract.outputs[0]
