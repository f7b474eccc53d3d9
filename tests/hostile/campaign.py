"""Runs mutants through a door and counts what became of them; how many and from which seed is the caller's to say."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from dataclasses import dataclass, field

import pytest

from hostile.mutants import mutants
from hostile.signed import Signed

SEED = int(os.environ.get("EDGEWRIGHT_SEED", "1"))


def scaled(count: int) -> int:
    """So many mutants, or EDGEWRIGHT_MUTANTS times as many."""
    return round(count * float(os.environ.get("EDGEWRIGHT_MUTANTS", "1")))


@dataclass
class Tally:
    """`accepted` and `crashes` hold what must not be: the mutants themselves, and what they raised."""

    name: str
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    accepted: list[bytes] = field(default_factory=list)
    crashes: list[tuple[bytes, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {told(self.counts)} (seed {self.seed})"


def told(counts: Counter[str]) -> str:
    """What became of how many."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def tell(capsys: pytest.CaptureFixture[str], name: str, seed: int, counts: Counter[str], more: str = "") -> None:
    """Print the counts of a long campaign, whatever pytest catches."""
    with capsys.disabled():
        sys.stdout.write(f"\n  {name}: {', '.join(filter(None, (told(counts), more)))} (seed {seed})")


def campaign(signed: Signed, seed: int, count: int) -> Tally:
    """Send `count` mutants of `signed` through its door."""
    tally = Tally(signed.name, seed)
    honest = _meanings(signed)
    for mutant in mutants(signed.data, signed.donors, seed, count):
        try:
            meaning = signed.accept(mutant)
        except signed.refusals:
            tally.counts["refused"] += 1
        except Exception as error:
            tally.counts["crashed"] += 1
            tally.crashes.append((mutant, f"{type(error).__name__}: {error}"))
        else:
            is_harmless = meaning in honest
            tally.counts["harmless" if is_harmless else "accepted"] += 1
            if not is_harmless:
                tally.accepted.append(mutant)
    return tally


def _meanings(signed: Signed) -> list[object]:
    """What honest signers have said to this door: in this object, and in the donors that it would take whole."""
    meanings = [signed.accept(signed.data)]
    for donor in signed.donors:
        with contextlib.suppress(*signed.refusals):
            meanings.append(signed.accept(donor))
    return meanings
