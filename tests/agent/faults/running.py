"""Starts rigs in processes of their own, as a person replays them, and holds what they found to what was promised."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.tally import Tally
from faults.tracing import why_not

from hostile.campaign import SEED

HERE = Path(__file__).resolve().parent
LONGEST_S = 3000

needs_ptrace = pytest.mark.skipif(bool(why_not()), reason=why_not() or "ptrace works")


def run_rig(tell: Callable[[str], None], rig: str, scenario: str, **options: object) -> Tally:
    """What the rig found; its figures are told at the end of the run."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, str(HERE), rig, scenario, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    if not done.stdout.strip():
        raise AssertionError(done.stderr[-4000:])
    facts = json.loads(done.stdout)
    elapsed_s = facts.pop("elapsed_s")
    tally = Tally(**facts)
    lacks = f" (without {options['without']})" if options.get("without") else ""
    tell(f"{rig} {scenario}{lacks}: {tally} in {elapsed_s:.0f} s")
    return tally


def check(tally: Tally, rig: str) -> None:
    """No promise was broken; else say how to see it again."""
    lines = [f"python tests/agent/faults {rig} '{tally.scenario}' --at {at}\n{why}" for at, why in tally.failed]
    assert not tally.failures, "\n".join([f"{tally.failures} of {tally.states} broke a promise:", *lines])


__all__ = ["SEED", "check", "needs_ptrace", "run_rig"]
