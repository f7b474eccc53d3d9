"""Lenses: the references through which the windows of model versions are read, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from edgewright.contract.profile import Profile, Schema, decode_schema, noise_variance
from edgewright.hub.observe.detectors import Baseline, HoldOut
from edgewright.hub.observe.windows.unfolding import unfold

MOST_KEPT = 500
SchemaOf = Callable[[str, int], bytes | None]
"""The profile schema of a model's version, or None if there is no such version."""
HoldOutOf = Callable[[Schema], HoldOut]
"""How a version did on its hold-out."""


@dataclass(frozen=True)
class Lens:
    """Through which the windows of one model version are read."""

    model: str
    version: int
    schema: Schema
    baseline: Baseline

    def counts(self, window: sa.RowMapping) -> npt.NDArray[np.float64]:
        """The counts of a window that was stored, unfolded; noise may have brought some below zero."""
        profile = Profile.from_bytes(self.schema, window["payload"], is_noisy=window["noised"] > 0)
        counts = profile.counts.astype(np.float64)
        if not window["folded"]:
            return counts
        return unfold(self.schema, self.baseline.counts, counts, window["min_category_rows"], window["folded"])

    def noise(self, window: sa.RowMapping) -> npt.NDArray[np.float64] | None:
        """The variance that noise has added to each count of such a window; None where it has none."""
        if not window["noised"]:
            return None
        return noise_variance(self.schema, window["epsilon_milli"]) * float(window["noised"])


class Lenses:
    """Reads each version's schema once: it never changes."""

    def __init__(self, schema_of: SchemaOf, hold_out_of: HoldOutOf = lambda schema: HoldOut()) -> None:
        self._schema_of = schema_of
        self._hold_out_of = hold_out_of
        self._kept: dict[tuple[str, int], Lens] = {}

    def of(self, model: str, version: int) -> Lens | None:
        """The lens of a version; None where there is no such version, or it has no reference."""
        if not 0 < version < 2**31:
            return None
        lens = self._kept.get((model, version))
        if lens is None:
            data = self._schema_of(model, version)
            if data is None:
                return None
            schema = decode_schema(data)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            baseline = Baseline(schema, self._hold_out_of(schema))
            lens = self._kept[model, version] = Lens(model, version, schema, baseline)
        return lens
