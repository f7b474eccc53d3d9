"""One peer in a process, and if need be a virtual environment, of its own: `python peer.py evidently|whylogs ROWS`.

Prints a line of JSON: CPU seconds of profiling and comparing, and how many columns it says have drifted.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import pandas as pd
from profiling import rows as world

warnings.filterwarnings("ignore")


def main() -> int:
    """Profile the live rows, compare them with the reference, and tell what it cost."""
    name, rows = sys.argv[1], int(sys.argv[2])
    reference, live = _frame(*world.reference()), _frame(*world.live(rows))
    run = PEERS[name](reference)
    started = time.process_time()
    drifted, note = run(live)
    print(json.dumps({"cpu_s": time.process_time() - started, "drifted": drifted, "note": note}))
    return 0


def _frame(numbers, codes) -> pd.DataFrame:
    frame = pd.DataFrame(numbers, columns=[f"x{place}" for place in range(numbers.shape[1])])
    for place in range(codes.shape[1]):
        frame[f"c{place}"] = codes[:, place].astype(str)
    return frame


Run = Callable[[pd.DataFrame], tuple[int, str]]


def _evidently(reference: pd.DataFrame) -> Run:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    def run(live: pd.DataFrame) -> tuple[int, str]:
        told = Report([DataDriftPreset()]).run(live, reference).dict()
        counts = [one["value"] for one in told["metrics"] if isinstance(one["value"], dict) and "count" in one["value"]]
        return int(counts[0]["count"]), "DataDriftPreset with its defaults"

    return run


def _whylogs(reference: pd.DataFrame) -> Run:
    import whylogs

    known = whylogs.log(reference).view()

    def run(live: pd.DataFrame) -> tuple[int, str]:
        seen = whylogs.log(live).view()
        try:
            from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores
        except ImportError:
            return -1, "profiles alone: its comparison does not import"
        scores = calculate_drift_scores(target_view=seen, reference_view=known, with_thresholds=True)
        drifted = [one for one in scores.values() if one and "NO_DRIFT" not in str(one["drift_category"])]
        return len(drifted), "profiles and their drift scores"

    return run


PEERS = {"evidently": _evidently, "whylogs": _whylogs}

if __name__ == "__main__":
    sys.exit(main())
