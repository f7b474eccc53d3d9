"""The shadow's comparison: what it makes of a candidate's answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.agent.serve.learning.copies import Copy
from edgewright.agent.trial.shadow import Comparison


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_candidate_may_be_sure_of_itself(dtype: type[np.floating]) -> None:
    comparison = Comparison()
    copy = Copy(inputs=b"", predicted=(0, 1), scores=(1.0, 0.5), latency_s=0.001)

    comparison.add(copy, np.array([0, 1]), np.array([1.0, 0.5], dtype), 0.001)

    assert comparison.result().agreement == 1.0
    assert comparison.result().score_shift == 0.0
