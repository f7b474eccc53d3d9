"""Fixed slots for what no training data tells: latency, memory, CPU and temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgewright.contract.profile.features import FeatureKind, Flaw, Tap

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """`bins` equal steps of `width` from `low` on, in octaves (log2) where `is_log`; the end bins are open.

    One slot more, the last, is for what is missing: NaN, and on a log scale what is not above zero.
    """

    low: float
    width: float
    bins: int
    is_log: bool = False

    @property
    def slots(self) -> int:
        """Bins and 'missing'."""
        return self.bins + 1

    def places(self, values: Floats) -> npt.NDArray[np.int64]:
        """The slot of each value."""
        with np.errstate(all="ignore"):
            known = np.where(values > 0, values, np.nan) if self.is_log else values
            steps = np.floor(((np.log2(known) if self.is_log else known) - self.low) / self.width)
        return np.where(np.isnan(steps), self.bins, np.clip(steps, 0, self.bins - 1)).astype(np.int64)

    def edge(self, bin: int) -> float:
        """The upper end of a bin."""
        value = self.low + (bin + 1) * self.width
        return float(2.0**value if self.is_log else value)


SCALES = {
    FeatureKind.LATENCY: Scale(low=-20, width=1 / 8, bins=208, is_log=True),  # 1 microsecond to a minute
    FeatureKind.MEMORY: Scale(low=20, width=1 / 4, bins=68, is_log=True),  # 1 MiB to 128 GiB
    FeatureKind.CPU: Scale(low=0.0, width=0.05, bins=80),  # up to four cores
    FeatureKind.TEMPERATURE: Scale(low=-40.0, width=2.5, bins=66),  # to 125 degrees Celsius
}
FIXED_SLOTS = {
    **{kind: scale.slots for kind, scale in SCALES.items()},
    FeatureKind.QUALITY: len(Flaw),
    FeatureKind.FEEDBACK: len(Tap),
}
"""How many slots each kind has that needs no training data."""
