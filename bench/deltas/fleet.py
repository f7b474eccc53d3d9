"""Bytes that a fleet of mixed versions is sent, by the hub's own planner: `python -m deltas.fleet SAVED VERSION…`.

The newest version comes last; as many devices run each of the others. Every delta between two versions that somebody
could use is made and applied. SAVED gets JSON: way to plan → bytes for one device of each version.
"""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from edgewright.contract import delta
from edgewright.contract.manifest import File, Role
from edgewright.contract.order import Fetch
from edgewright.contract.report import Pace
from edgewright.hub.packaging.deltas.planning import plan_fetches

Ends = tuple[int, int]


def main(saved: Path, *versions: str) -> None:
    paths = [Path(version) for version in versions]
    newest = len(paths) - 1
    direct = [(held, newest) for held in range(newest)]
    steps = list(pairwise(range(newest + 1)))
    with TemporaryDirectory() as folder:
        made = {ends: made_delta(paths[ends[0]], paths[ends[1]], Path(folder)) for ends in {*direct, *steps}}
    ways = {"direct deltas": direct, "deltas of neighbours only, chained": steps, "the planner's choice": list(made)}
    told = {way: sent_bytes(paths, [made[ends] for ends in known]) for way, known in ways.items()}
    saved.write_text(json.dumps(told | {"full downloads": newest * paths[-1].stat().st_size}))


def made_delta(base: Path, new: Path, folder: Path) -> Fetch:
    """Make one, and see that it brings back the new file."""
    delta.make(base, new, folder / "delta")
    told = delta.apply(base, folder / "delta", folder / "out", max_result_bytes=new.stat().st_size)
    assert told == digest(new)
    return Fetch(
        base_sha256=digest(base),
        result_sha256=digest(new),
        result_bytes=new.stat().st_size,
        sha256=digest(folder / "delta"),
        size_bytes=(folder / "delta").stat().st_size,
    )


def sent_bytes(paths: list[Path], known: list[Fetch]) -> int:
    """For one device on each old version, on a metered line: the fewest bytes win."""
    newest = File(name="model.onnx", role=Role.MODEL, sha256=digest(paths[-1]), size_bytes=paths[-1].stat().st_size)
    plans = [plan_fetches([newest], {digest(held)}, known, Pace(is_metered=True)) for held in paths[:-1]]
    return sum(plan.sent_bytes for plan in plans)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
