"""What the agent takes of a disk before any model: each distribution of the .deb, beside what pip installs of it.

Counted in this environment, by the rules of packaging/carried.py, without the compiled .pyc files of either side. Size
is the sum of the files' lengths. The peer is `pip install edgewright`, which brings the client and its command too.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires
from pathlib import Path

from agents.figures import figure

sys.path.append(str(Path(__file__).resolve().parents[2] / "packaging"))
import carried

MAX_MB = 160.0
LISTED_MB = 0.5
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def main() -> int:
    """Print a figure for each distribution of more than LISTED_MB, and for all."""
    wanted = {name_of(one) for one in carried.requirements()}
    sizes = {one.name: size_mb(one) for one in closure(["edgewright"])}
    on_devices = {one.name for one in closure(wanted)} | {"edgewright"}
    for name, (whole, kept) in sorted(sizes.items(), key=lambda item: -item[1][0]):
        if whole >= LISTED_MB:
            ours = kept if name in on_devices else 0.0
            figure(f"installed size: {name}", ours, whole, "pip install edgewright", "MB")
    ours = sum(kept for name, (_, kept) in sizes.items() if name in on_devices)
    peer = sum(whole for whole, _ in sizes.values())
    bound = f"ours <= {MAX_MB:.0f}"
    is_small = figure(
        "installed size of the agent", ours, peer, "pip install edgewright", "MB", bound=bound, holds=ours <= MAX_MB
    )
    return 0 if is_small else 1


def closure(names: list[str] | set[str]) -> list[Distribution]:
    """The distributions and all that they require, without extras."""
    found: dict[str, Distribution] = {}
    queue = list(names)
    while queue:
        name = name_of(queue.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        queue += [one for one in requires(name) or () if "extra ==" not in one]
    return list(found.values())


def size_mb(one: Distribution) -> tuple[float, float]:
    """All of it, and what a .deb carries of it."""
    whole = kept = 0
    for path, size_bytes in files_of(one):
        if "__pycache__" not in path:
            whole += size_bytes
            kept += size_bytes if carried.is_carried(path) else 0
    return whole / 1e6, kept / 1e6


def files_of(one: Distribution) -> list[tuple[str, int]]:
    """Every file as its path below site-packages, with its length; of an editable install, its sources."""
    if one.name == "edgewright":
        source = Path(__file__).resolve().parents[2] / "src"
        return [(path.relative_to(source).as_posix(), path.stat().st_size) for path in source.rglob("*.*")]
    located = ((str(file), Path(str(file.locate()))) for file in one.files or ())
    return [(path, place.stat().st_size) for path, place in located if place.is_file() and not path.startswith("..")]


def name_of(requirement: str) -> str:
    """The distribution that a requirement names."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0] if found else "").lower()


if __name__ == "__main__":
    sys.exit(main())
