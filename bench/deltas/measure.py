"""What a process of its own costs, and what each peer costs on a pair: measured once, then kept by digest.

Sizes of peers are facts of (base, new, peer, version); detools needs ten minutes for one pair of 90 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

BENCH = Path(__file__).parent.parent
SIMPLE_VERSION = "1"  # of simple_peers.py: raise it when their bytes change


class Failed(Exception):
    """A measured process ended with an error; what it said is on stderr."""


@dataclass(frozen=True)
class Cost:
    """User and system time of a process and its children, and the most memory that one of them held."""

    cpu_s: float
    peak_mib: float


@dataclass(frozen=True)
class Result:
    """One maker on one pair. `is_cached`: measured in an earlier run."""

    name: str
    delta_bytes: int
    make: Cost
    apply: Cost
    is_cached: bool = False


def spend(*command: str | Path) -> Cost:
    """Run to the end. Linux counts a parent's memory at the start as the child's: this process must stay small."""
    process = subprocess.Popen(command, cwd=BENCH, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"exit {process.returncode}: {' '.join(map(str, command))}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def resting_mib(imports: str) -> float:
    """What an interpreter with these imports holds at most, told by itself."""
    told = subprocess.run(
        [sys.executable, "-c", f"import {imports}; print(open('/proc/self/status').read())"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return int(re.findall(r"VmHWM:\s+(\d+) kB", told)[0]) / 1024


def measure_ours(base: Path, new: Path) -> Result:
    """`python -m edgewright.contract.delta` make once, apply five times (least CPU, most memory), compared."""
    with TemporaryDirectory() as folder:
        delta, out = Path(folder) / "delta", Path(folder) / "out"
        python = [sys.executable, "-m", "edgewright.contract.delta"]
        make = spend(*python, "make", base, new, delta)
        applied = []
        for _ in range(5):
            out.unlink(missing_ok=True)
            applied.append(spend(*python, "apply", base, delta, out, str(new.stat().st_size)))
        if digest(out) != digest(new):
            raise Failed(f"our delta did not bring back {new}")
        apply = Cost(min(cost.cpu_s for cost in applied), max(cost.peak_mib for cost in applied))
        return Result("edgewright", delta.stat().st_size, make, apply)


def measure_peer(peer: str, base: Path, new: Path, cache: Path) -> Result:
    """Make and apply in a process each, the result compared bit for bit; kept for `known_peer`."""
    kept = _kept(peer, base, new, cache)
    with TemporaryDirectory(dir=cache) as folder:
        delta, out = Path(folder) / "delta", Path(folder) / "out"
        python = [sys.executable, "-m", "deltas.peers", peer]
        make = spend(*python, "make", base, new, delta)
        apply = spend(*python, "apply", base, delta, out)
        if digest(out) != digest(new):
            raise Failed(f"{peer} did not bring back {new}")
        result = Result(peer, delta.stat().st_size, make, apply)
    kept.with_suffix(".part").write_text(json.dumps(asdict(result)))
    kept.with_suffix(".part").rename(kept)
    return result


def known_peer(peer: str, base: Path, new: Path, cache: Path) -> Result | None:
    """What an earlier run measured on files of the same bytes."""
    kept = _kept(peer, base, new, cache)
    if not kept.exists():
        return None
    known = json.loads(kept.read_text())
    make, apply = Cost(**known["make"]), Cost(**known["apply"])
    return Result(known["name"], known["delta_bytes"], make, apply, is_cached=True)


def _kept(peer: str, base: Path, new: Path, cache: Path) -> Path:
    key = "\n".join([digest(base), digest(new), peer, version_of(peer)])
    return cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def version_of(peer: str) -> str:
    """The version whose bytes were measured; raises `Failed` where the peer is missing."""
    packages = {"bsdiff4": "bsdiff4", "HDiffPatch": "hdiffpatch", "detools": "detools"}
    commands = {"xdelta3": "xdelta3", "zstd --patch-from": "zstd"}
    if peer in packages:
        return version(packages[peer])
    if peer not in commands:
        return f"{SIMPLE_VERSION}, zstandard {version('zstandard')}"
    try:
        told = subprocess.run([commands[peer], "-V"], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise Failed(f"{commands[peer]} is not installed: apt-get install {commands[peer]}") from error
    return re.findall(r"\d+\.\d+\.\d+", told.stdout + told.stderr)[0]
