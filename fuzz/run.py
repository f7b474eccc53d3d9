"""Runs one fuzz target under atheris: `python fuzz/run.py TARGET [--seconds 60]`. Needs `pip install -e '.[fuzz]'`.

New inputs that reach new code go to .fuzz/TARGET, and those that break something to .fuzz/crashes; both stay out of the
repository until `python fuzz/keep.py TARGET` takes what is worth it into the corpus.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import atheris

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
TARGETS = ("delta_apply", "manifest_decode", "oip_request", "order_envelope", "tuf_metadata")
MAX_INPUT_BYTES = 1 << 16
MAX_MEMORY_MIB = 1024
INSTRUMENTED = ["edgewright", "tuf", "securesystemslib"]


def main() -> None:
    """Each target has `consume(data)`, which raises where something is broken, and `mutate(data, chance)`.

    Fuzz until the time is over; libFuzzer's exit code is not 0 if anything broke.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    given = parser.parse_args()

    corpus, found = FOLDER / "corpus" / given.target, ROOT / ".fuzz" / given.target
    crashes = ROOT / ".fuzz" / "crashes"
    for folder in (corpus, found, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_len={MAX_INPUT_BYTES}", f"-rss_limit_mb={MAX_MEMORY_MIB}", "-timeout=20"]
    options = [*limits, f"-artifact_prefix={crashes}/{given.target}-", f"-seed={given.seed}", "-print_final_stats=1"]
    options += [f"-max_total_time={given.seconds}", str(found), str(corpus)]
    target = _load(given.target)
    atheris.Setup([sys.argv[0], *options], target.consume, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _load(target: str) -> ModuleType:
    sys.path[:0] = [str(FOLDER), str(ROOT / "tests")]
    with atheris.instrument_imports(include=INSTRUMENTED):
        return importlib.import_module(target)


def _mutator(target: ModuleType) -> Callable[[bytes, int, int], bytes]:
    """Half the time libFuzzer's own mutations, half the time those that know what the bytes mean."""

    def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return atheris.Mutate(data, max_bytes)
        return target.mutate(data, chance)[:max_bytes]

    return mutate


if __name__ == "__main__":
    main()
