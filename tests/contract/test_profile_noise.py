"""Noise: exactly the discrete Laplace distribution, scaled to what one row can change, and the totals unbiased."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from edgewright.contract.data_policy import Privacy
from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import Profile, Schema, add_noise, build_schema, noise_variance, wire
from edgewright.contract.profile.measures.quality import STUCK_ROWS
from edgewright.contract.profile.noise import SENSITIVITY, discrete_laplace, fold
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

ROWS = np.random.default_rng(0).normal(size=(300, 2)).astype("f4")


def test_the_sampler_draws_from_the_discrete_laplace_distribution():
    below, draws = random.Random(7).randrange, 4000
    drawn = np.array([discrete_laplace(5, 2, below) for _ in range(draws)])

    share = math.exp(-2 / 5)
    for value in range(-3, 4):
        expected = draws * (1 - share) / (1 + share) * share ** abs(value)
        assert abs(np.count_nonzero(drawn == value) - expected) < 4.5 * math.sqrt(expected)
    assert drawn.var() == pytest.approx(2 * share / (1 - share) ** 2, rel=0.15)


def test_noise_has_the_variance_that_the_hub_is_told_and_leaves_vitals_alone():
    schema = the_schema()
    counts, below = np.zeros(schema.offsets[-1], np.int64), random.Random(1).randrange

    noisy = add_noise(counts, schema, 2000, below)

    variance = noise_variance(schema, 2000)
    assert not noisy[schema.span("memory")].any()
    assert not variance[schema.span("temperature")].any()
    latency = schema.span("latency")
    assert noisy[latency].var() == pytest.approx(variance[latency][0], rel=0.5)
    assert noise_variance(schema, 0).sum() == 0


def test_one_row_moves_no_features_counts_further_than_its_sensitivity():
    schema = the_schema()
    rows = ROWS.copy()
    rows[100:200] = rows[100]
    changed = rows.copy()
    changed[150] = np.nan

    one, other = counted(schema, rows).counts, counted(schema, changed).counts

    for feature in schema.features:
        moved = np.abs(one[schema.span(feature.name)] - other[schema.span(feature.name)]).sum()
        assert moved <= SENSITIVITY.get(feature.kind, 0)
    assert np.abs(one - other)[schema.span("x.quality")].sum() == STUCK_ROWS + 1


def test_a_window_with_noise_comes_back_and_is_refused_as_an_exact_one():
    schema = the_schema()
    sent = counted(schema, ROWS).protected(Privacy(epsilon_milli=500), random.Random(3).randrange)

    read = Profile.from_bytes(schema, sent.to_bytes(), is_noisy=True)

    assert read.rows == 300
    assert np.array_equal(read.counts, sent.counts)
    with pytest.raises(HostileInput):
        Profile.from_bytes(schema, sent.to_bytes())


def test_no_noise_is_so_large():
    schema = the_schema()
    forged = np.zeros(schema.offsets[-1] + 1, np.int64)
    forged[5] = 2**45

    with pytest.raises(HostileInput):
        Profile.from_bytes(schema, wire.encode(forged), is_noisy=True)


def test_rare_categories_become_others_and_no_row_is_lost():
    schema = the_schema()
    before = counted(schema, ROWS).counts
    span = schema.span("predicted")
    before[span] = [7, 250, 10, 30, 3]

    after = fold(before, schema, 10)

    assert after[span].tolist() == [0, 250, 10, 37, 3]
    assert np.array_equal(np.delete(after, np.r_[span]), np.delete(before, np.r_[span]))


def test_without_a_policy_nothing_is_changed():
    seen = counted(the_schema(), ROWS)

    sent = seen.protected(Privacy(min_category_rows=0), random.Random(3).randrange)

    assert sent.to_bytes() == seen.to_bytes()


def counted(schema: Schema, rows: np.ndarray) -> Profile:
    seen = Profile(schema)
    seen.update({"x": rows}, {}, 0.001)
    seen.settle()
    return seen


def the_schema() -> Schema:
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2))
    scores = TensorSpec(name="scores", dtype=Dtype.FLOAT32, shape=(None, 3), kind=Kind.SCORES)
    return build_schema(Contract(inputs=(spec,), outputs=(scores,)), "m", 1, {"x": ROWS}, {})
