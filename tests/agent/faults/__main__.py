"""Runs one rig on one scenario and says what it found as one line of JSON: `python tests/agent/faults kill update`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE.parent), str(HERE.parent.parent)]  # where `faults`, `device` and `hostile` are


def main() -> int:
    """1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="faults", description="Break a device, boot it, look.")
    parser.add_argument("rig", choices=("kill", "cut", "fail"))
    parser.add_argument("scenario")
    parser.add_argument("--at", action="append", help="only at this point; repeatable")
    parser.add_argument("--stride", type=int, default=1, help="only at every so many points")
    parser.add_argument("--offset", type=int, default=0, help="which of these points is the first")
    parser.add_argument("--seed", type=int, default=1, help="cut: which states")
    parser.add_argument("--draws", type=int, default=1000, help="cut: so many first states, alike or not")
    parser.add_argument(
        "--without", default="", help="an agent that lacks 'syncs', 'folder syncs', 'saves first' or 'reads again'"
    )
    parser.add_argument("--dir", type=Path, help="work here and leave it, instead of in memory")
    chosen = parser.parse_args()
    logging.disable()
    _stay_on_one_core()
    with tempfile.TemporaryDirectory(dir=_memory()) as made:
        began = time.monotonic()
        tally = _run(chosen, chosen.dir or Path(made))
    print(json.dumps({**tally.to_dict(), "elapsed_s": round(time.monotonic() - began, 2)}))  # noqa: T201
    return 1 if tally.failures else 0


def _run(chosen: argparse.Namespace, folder: Path):
    from faults.cutting import cut_everywhere
    from faults.failing import fail_everywhere
    from faults.killing import kill_everywhere
    from faults.lacking import agent_without
    from faults.scenarios import named

    scenario = named(chosen.scenario)
    with agent_without(chosen.without):
        if chosen.rig == "kill":
            return kill_everywhere(scenario, folder, chosen.at, chosen.stride, chosen.offset)
        if chosen.rig == "fail":
            return fail_everywhere(scenario, folder, chosen.at, chosen.stride, chosen.offset)
        return cut_everywhere(scenario, folder, seed=chosen.seed, limit=chosen.draws, points=chosen.at)


def _memory() -> str | None:
    """Thousands of small files are made here: in memory, where there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _stay_on_one_core() -> None:
    """A tracer and what it traces hand over to each other nine times as fast on one core."""
    cores = sorted(os.sched_getaffinity(0))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    os.sched_setaffinity(0, {cores[int(worker) % len(cores)]})


if __name__ == "__main__":
    sys.exit(main())
