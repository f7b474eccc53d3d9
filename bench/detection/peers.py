"""River and evidently on the same rows, each at the most sensitive setting that keeps to one false alarm in 30 days.

River's detectors see every row of every column (of labels: every error), and alarm where one does. Evidently compares
windows of 500 rows (of one camera: of its hour's 200) with the reference; of its scores the largest over the columns
counts, by default the normed Wasserstein distance. A setting is found on rows without drift, and held to on others: its
false alarms are told.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

WINDOW_ROWS = 500
Make = Callable[[float], Any]
NEVER = float("inf")


def has(module: str) -> bool:
    """Whether the peer is installed."""
    return importlib.util.find_spec(module) is not None


def river_kinds() -> dict[str, tuple[Make, tuple[float, ...]]]:
    """Each detector of river's, and its settings from the most sensitive to the least."""
    from river import drift

    return {
        "river ADWIN": (lambda s: drift.ADWIN(delta=s), (2e-3, 1e-4, 1e-6, 1e-8, 1e-10)),
        "river Page-Hinkley": (lambda s: drift.PageHinkley(threshold=s), (50, 100, 200, 400, 800, 1600)),
    }


def first_alarm(make: Make, setting: float, rows: np.ndarray, start: int) -> tuple[int, float]:
    """(false alarms before row `start`, rows from there to the alarm), of one detector to each column."""
    false: set[int] = set()
    first = NEVER
    for column in rows.T:
        one = make(setting)
        for place, value in enumerate(column.tolist()):
            if value != value:
                continue
            one.update(value)
            if one.drift_detected and place < start:
                false.add(place)
            elif one.drift_detected:
                first = min(first, place - start + 1)
                break
    return len(false), first


def matched(make: Make, settings: Sequence[float], quiet: Iterable[np.ndarray]) -> float:
    """The most sensitive setting with at most one false alarm in each stream of 30 days, on average."""
    streams = list(quiet)
    for setting in settings:
        if sum(first_alarm(make, setting, rows, len(rows))[0] for rows in streams) <= len(streams):
            return setting
    return settings[-1]


def evidently_scores(reference: np.ndarray, rows: np.ndarray, window_rows: int = WINDOW_ROWS) -> list[float]:
    """The largest drift score over the columns, for each whole window of `rows`.

    By evidently's own statistic, without the report around it: that takes half a minute a window for its plots.
    """
    import pandas as pd
    from evidently.legacy.calculations.stattests import wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    before = [pd.Series(column).dropna() for column in reference.T]
    found = []
    for start in range(0, len(rows) - window_rows + 1, window_rows):
        seen = [pd.Series(column).dropna() for column in rows[start : start + window_rows].T]
        pairs = zip(before, seen, strict=True)
        found.append(max(wasserstein_stat_test(*pair, ColumnType.Numerical, 0.1).drift_score for pair in pairs))
    return found


def evidently_categories(reference: np.ndarray, values: np.ndarray) -> list[float]:
    """The Jensen-Shannon distance of each whole window of category numbers: evidently's choice for large references."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test
    from evidently.legacy.core import ColumnType

    before, windows = pd.Series(reference), values[: len(values) // WINDOW_ROWS * WINDOW_ROWS].reshape(-1, WINDOW_ROWS)
    tests = (jensenshannon_stat_test(before, pd.Series(seen), ColumnType.Categorical, 0.1) for seen in windows)
    return [test.drift_score for test in tests]
