"""Deltas against seven peers on really trained pairs: bytes, distance to the entropy limit, CPU, memory, fleets.

The pairs are fine-tunings of a sentence model (MiniLM, 22.7 M parameters) and of a CNN (0.6 M), in the number formats
that people deploy; see bench/deltas. Each maker and applier runs in a process of its own, whose CPU time and peak
memory count from the interpreter's start; every result is compared bit for bit. Ours is measured anew in each run.

The first run trains (about ten minutes) and measures peers (about an hour: detools takes ten minutes for one pair of
90 MB); both are kept in `.bench/` in the repository, or where --cache or EDGEWRIGHT_BENCH says. A line's `cached` names
the peers that an earlier run measured: their bytes cannot differ, their CPU times may. On pairs for which a peer was
not run, `left_out` names it; --all-peers runs them all. --quick takes the CNN and no slow peer: about a minute.

A ratio is ours over the peer's, `bound` is the ratio's. Exit 0 if all bounds hold, 1 if one does not, 2 if a peer is
not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deltas.measure import Failed, Result, known_peer, measure_ours, measure_peer, resting_mib, spend
from deltas.pairs import FLEETS, FULL, GENERIC, LARGE_BYTES, PAIRS, REEXPORTED, SCRATCH, TUNED, XOR, Pair, trained

BENCH = Path(__file__).parent
REQUIRED = "the requirement"
SLOW = ("detools", "xdelta3")
APPLY_MB_S, APPLY_MIB, MAKE_MIB, MAKE_CPU = 120, 24, 200, 0.2
OF_LIMIT, OF_FULL, OF_PLAIN = 1.05, 1.01, 1.01


@dataclass(frozen=True, eq=False)
class Measured:
    """A pair with what was found; `peers` by name."""

    pair: Pair
    base: Path
    new: Path
    ours: Result
    peers: dict[str, Result]

    @property
    def size_bytes(self) -> int:
        return self.new.stat().st_size


def main() -> int:
    asked = read_arguments()
    pairs = [pair for pair in PAIRS if pair.study == "digits" or not asked.quick]
    pairs = [pair for pair in pairs if all(word in pair.name for word in asked.only)]
    fleets = {name: files for name, files in FLEETS.items() if name.startswith("CNN") or not asked.quick}
    try:
        folder = trained({pair.study for pair in pairs}, asked.cache)
        measured = {}
        held = []
        for pair in pairs:
            measured[pair] = found = measure(pair, folder, asked)
            held += tell_bytes(found)
        held += tell_relations(measured)
        held += tell_costs(list(measured.values()))
        if not asked.only:
            held += [line for name, files in fleets.items() for line in tell_fleet(name, files, folder)]
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if all(held) else 1


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    kept = os.environ.get("EDGEWRIGHT_BENCH", BENCH.parent / ".bench")
    parser.add_argument("--cache", type=Path, default=kept, help="what was trained and measured (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="measure all peers anew")
    parser.add_argument("--all-peers", action="store_true", help="every peer on every pair: hours")
    parser.add_argument("--no-peers", action="store_true", help="measure ours only, beside the peers that are cached")
    parser.add_argument("--quick", action="store_true", help="only the CNN, without the slow peers: a minute")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="pairs whose name has these words")
    return parser.parse_args()


def measure(pair: Pair, folder: Path, asked: argparse.Namespace) -> Measured:
    base, new = pair.files(folder)
    cache = asked.cache.resolve() / "peers"
    cache.mkdir(parents=True, exist_ok=True)
    peers = {}
    for peer in (*GENERIC, XOR, *([FULL] if pair is SCRATCH else [])):
        result = None if asked.fresh else known_peer(peer, base, new, cache)
        if result is None and is_wanted(peer, pair, asked):
            print(f"{pair.name}: {peer}", file=sys.stderr, flush=True)
            result = measure_peer(peer, base, new, cache)
        if result:
            peers[peer] = result
    print(f"{pair.name}: edgewright", file=sys.stderr, flush=True)
    return Measured(pair, base, new, measure_ours(base, new), peers)


def is_wanted(peer: str, pair: Pair, asked: argparse.Namespace) -> bool:
    if asked.no_peers or (asked.quick and peer in SLOW):
        return False
    return asked.all_peers or peer in pair.peers or peer not in GENERIC


def tell_bytes(found: Measured) -> Iterator[bool]:
    """Against the best generic peer, tensor XOR and, for large files, the entropy limit."""
    name, ours = f"delta bytes: {found.pair.name}", found.ours.delta_bytes
    generic = {peer: result for peer, result in found.peers.items() if peer in GENERIC}
    if generic:
        best = min(generic.values(), key=lambda result: result.delta_bytes)
        facts = {"full": found.size_bytes, "peers": {peer: result.delta_bytes for peer, result in generic.items()}}
        facts["cached"] = [peer for peer, result in generic.items() if result.is_cached]
        facts["left_out"] = [peer for peer in GENERIC if peer not in generic]
        yield at_most(name, ours, best.delta_bytes, best.name, "bytes", found.pair.bound, **facts)
    if xor := found.peers.get(XOR):
        yield at_most(name, ours, xor.delta_bytes, XOR, "bytes", cached=[XOR] if xor.is_cached else [])
    if found.size_bytes >= LARGE_BYTES:
        yield at_most(name, ours, limit_bytes(found), "conditional entropy", "bytes", OF_LIMIT)


def limit_bytes(found: Measured) -> int:
    command = [sys.executable, "-m", "deltas.entropy", found.base, found.new]
    return int(subprocess.run(command, cwd=BENCH, check=True, capture_output=True).stdout)


def tell_relations(measured: dict[Pair, Measured]) -> Iterator[bool]:
    """What another exporter costs beside the plain pair, and what no common past costs beside no delta."""
    if {TUNED, REEXPORTED} <= measured.keys():
        ours, plain = (measured[pair].ours.delta_bytes for pair in (REEXPORTED, TUNED))
        yield at_most(f"delta bytes: {REEXPORTED.name}", ours, plain, f"ours: {TUNED.name}", "bytes", OF_PLAIN)
    found = measured.get(SCRATCH)
    if found and (full := found.peers.get(FULL)):
        figure, ours = f"delta bytes: {SCRATCH.name}", found.ours.delta_bytes
        yield at_most(figure, ours, full.delta_bytes, FULL, "bytes", OF_FULL, cached=[FULL] if full.is_cached else [])


def tell_costs(measured: list[Measured]) -> Iterator[bool]:
    """The worst over all pairs; speed on large files, where what is left after the start of Python can be told."""
    large = [found for found in measured if found.size_bytes >= LARGE_BYTES]
    if large:
        yield tell_speed(large)
        yield from tell_beside_bsdiff(
            found for found in large if "fp32" in found.pair.name and "bsdiff4" in found.peers
        )
    for verb, imports, allowed_mib in (("apply", "numpy", APPLY_MIB), ("make", "sys", MAKE_MIB)):
        peaks_mib = {found.pair.name: getattr(found.ours, verb).peak_mib for found in measured}
        if peaks_mib:
            name = max(peaks_mib, key=lambda name: peaks_mib[name])
            figure = f"delta {verb}, memory above Python with nothing but {imports}, most: {name}"
            yield at_most(figure, peaks_mib[name] - resting_mib(imports), allowed_mib, REQUIRED, "MiB")


def tell_speed(large: list[Measured]) -> bool:
    """Bytes of result for each CPU-second beyond the start of Python with numpy; `with_start` counts that too."""
    start_s = min(spend(sys.executable, "-c", "import numpy").cpu_s for _ in range(3))
    speeds = {found: found.size_bytes / 1e6 / (found.ours.apply.cpu_s - start_s) for found in large}
    found = min(large, key=lambda found: speeds[found])
    more = {"with_start": round(found.size_bytes / 1e6 / found.ours.apply.cpu_s, 1), "start_s": round(start_s, 3)}
    figure = f"delta apply, slowest: {found.pair.name}"
    return at_least(figure, speeds[found], APPLY_MB_S, REQUIRED, "MB/CPU-s", **more)


def tell_beside_bsdiff(measured: Iterable[Measured]) -> Iterator[bool]:
    for found in measured:
        ours, peer = found.ours, found.peers["bsdiff4"]
        cached = ["bsdiff4"] if peer.is_cached else []
        for verb, our_s, peer_s, bound in (
            ("make", ours.make.cpu_s, peer.make.cpu_s, MAKE_CPU),
            ("apply", ours.apply.cpu_s, peer.apply.cpu_s, 1.0),
        ):
            yield at_most(f"delta {verb}, CPU: {found.pair.name}", our_s, peer_s, "bsdiff4", "s", bound, cached=cached)


def tell_fleet(name: str, files: list[str], folder: Path) -> Iterator[bool]:
    """As many devices on each of N-1 … N-5: what each way to plan sends, against the whole file for each."""
    with TemporaryDirectory() as scratch:
        saved = Path(scratch) / "saved"
        versions = [folder / file for file in files]
        subprocess.run([sys.executable, "-m", "deltas.fleet", saved, *versions], cwd=BENCH, check=True)
        sent_bytes = json.loads(saved.read_text())
    full = sent_bytes.pop("full downloads") / (len(files) - 1)
    for way, total in sent_bytes.items():
        figure = f"fleet on N-1 … N-{len(files) - 1}, {way}: {name}"
        yield at_most(figure, total / (len(files) - 1), full, "full downloads", "bytes a device")


def at_most(
    figure: str, ours: float, peer: float, peer_name: str, unit: str, bound: float = 1.0, **more: object
) -> bool:
    """Ours over the peer's may not pass `bound`."""
    return _tell(figure, ours, peer, peer_name, unit, bound, ours / peer <= bound, more)


def at_least(
    figure: str, ours: float, peer: float, peer_name: str, unit: str, bound: float = 1.0, **more: object
) -> bool:
    """Ours over the peer's must reach `bound`."""
    return _tell(figure, ours, peer, peer_name, unit, bound, ours / peer >= bound, more)


def _tell(
    figure: str, ours: float, peer: float, peer_name: str, unit: str, bound: float, holds: bool, more: dict[str, object]
) -> bool:
    line = {"figure": figure, "ours": round(ours, 2), "peer": round(peer, 2), "peer_name": peer_name}
    line |= {"ratio": round(ours / peer, 4), "unit": unit, "bound": bound, "holds": holds}
    print(json.dumps(line | more, ensure_ascii=False), flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
