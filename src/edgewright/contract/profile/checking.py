"""Whether counts from the wire agree with one another: what a device cannot have counted is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewright.contract.errors import HostileInput
from edgewright.contract.profile.features import VITALS, FeatureKind
from edgewright.contract.profile.measures.embeddings import SUMS, UNIT
from edgewright.contract.profile.schema import Schema

MAX_ROWS = 2**48
MAX_NOISE = 2**40
"""What noise may add to a count, or take from it."""
Counts = npt.NDArray[np.int64]


def check_counts(schema: Schema, rows: int, counts: Counts, *, is_noisy: bool) -> None:
    """Raise HostileInput unless each feature's counts are of `rows` rows, and none is below zero.

    Of counts with noise only their size is known: up to UNIT times the rows, and the noise.
    """
    if not 0 <= rows <= MAX_ROWS:
        raise _refusal(f"a profile counts at most {MAX_ROWS} rows, this one {rows}")
    if is_noisy:
        if (np.abs(counts) > UNIT * rows + MAX_NOISE).any():
            raise _refusal(f"the counts are larger than those of {rows} rows with noise")
        return
    if (counts[schema.counting] < 0).any():
        raise _refusal("a count is below zero")
    sums = np.add.reduceat(np.where(schema.counting, counts, 0), schema.offsets[:-1])
    if (sums[schema.of_rows] != rows).any():
        raise _refusal(f"the counts do not add up to {rows} rows")
    if len({int(sums[place]) for kind in VITALS for place in schema.of_kind(kind)}) > 1:
        raise _refusal("memory, CPU and temperature were not read equally often")
    _check_flaws(schema, rows, counts)
    _check_sums(schema, counts)


def _check_flaws(schema: Schema, rows: int, counts: Counts) -> None:
    for place in schema.of_kind(FeatureKind.QUALITY):
        if (counts[schema.offsets[place] + 1 : schema.offsets[place + 1]] > rows).any():
            raise _refusal(f"{schema.features[place].name} counts more flawed rows than {rows}")


def _check_sums(schema: Schema, counts: Counts) -> None:
    for place in schema.of_kind(FeatureKind.EMBEDDING):
        mine = counts[schema.offsets[place] : schema.offsets[place + 1]]
        if (np.abs(mine[:SUMS]) > UNIT * mine[SUMS]).any():
            raise _refusal(f"the sums of {schema.features[place].name} are larger than its rows can make them")


def _refusal(message: str) -> HostileInput:
    return HostileInput(message, field="payload")
