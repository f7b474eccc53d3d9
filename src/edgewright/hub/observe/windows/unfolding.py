"""What windows count whose rare categories were folded: others are told apart again, as training would have them.

A device may count categories of fewer than k rows in a window as 'other' (contract/profile/noise.py). Taken as they
are, such windows of few rows differ from training although nothing did. So of the rows of 'other' each category is
given what it lacks of its share in training, as far as it can be hidden there: at most k - 1 rows in each window in
which it may have been folded. Where others are more than that, they stay others: a new category is seen as before.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile import FeatureKind, Schema

Floats = npt.NDArray[np.float64]


def unfold(schema: Schema, reference: Floats, counts: Floats, min_rows: int, windows: int) -> Floats:
    """`counts` (slots,) of so many windows merged, whose categories of fewer than `min_rows` rows count as others.

    `reference` (slots,) are training's counts. The rows stay the same.
    """
    found = counts.copy()
    for place in schema.of_kind(FeatureKind.CATEGORICAL):
        span = slice(schema.offsets[place], schema.offsets[place + 1])
        named, other = found[span][:-2], float(found[span][-2])
        trained = float(reference[span].sum())
        if other <= 0 or trained <= 0:
            continue
        foretold = reference[span][:-2] / trained * found[span].sum()
        hidden = np.clip(foretold - named, 0.0, (min_rows - 1.0) * (windows - (named > 0)))
        others = float(reference[span][-2]) / trained * found[span].sum()
        if hidden.sum() > 0:
            moved = hidden * min(1.0, other / (hidden.sum() + others))
            found[span][:-2] += moved
            found[span][-2] -= moved.sum()
    return found
