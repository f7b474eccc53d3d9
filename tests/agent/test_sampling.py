"""The choice of samples: uncertain ones that differ, and a uniform part."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agent.serve.learning.sampling import ChosenAs, as_features, choose, k_centre, uncertainty


def random() -> np.random.Generator:
    return np.random.default_rng(7)


@settings(max_examples=80, deadline=None)
@given(count=st.integers(0, 60), budget=st.integers(0, 40), seed=st.integers(0, 100))
def test_a_choice_keeps_the_budget_and_takes_nothing_twice(count: int, budget: int, seed: int) -> None:
    numbers = np.random.default_rng(seed)

    chosen = choose(numbers.random(count), numbers.integers(0, 3, (count, 4)).astype(float), budget, numbers)

    places = [choice.place for choice in chosen]
    assert len(places) == len(set(places)) == min(budget, count)
    assert all(0 <= place < count for place in places)


def test_a_quarter_is_a_uniform_reservoir() -> None:
    chosen = choose(np.linspace(0, 1, 400), np.arange(400.0)[:, None], 40, random())

    assert [choice.chosen_as for choice in chosen].count(ChosenAs.RESERVOIR) == 10
    assert [choice.chosen_as for choice in chosen].count(ChosenAs.UNCERTAIN) == 30


def test_the_uncertain_part_comes_from_the_most_uncertain_six_budgets() -> None:
    doubts = np.linspace(0, 1, 1000)

    chosen = choose(doubts, random().random((1000, 3)), 20, random())

    uncertain = [choice.place for choice in chosen if choice.chosen_as is ChosenAs.UNCERTAIN]
    assert min(uncertain) >= 1000 - 6 * 20 - 5  # the reservoir may have taken up to five of them


def test_near_duplicates_do_not_fill_the_budget() -> None:
    crowd = np.zeros((100, 2)) + random().normal(0, 1e-3, (100, 2))
    loners = np.array([[10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [-10.0, 0.0]])
    doubts = np.concatenate([np.full(100, 0.9), np.full(4, 0.8)])

    chosen = choose(doubts, np.concatenate([crowd, loners]), 20, random())

    assert {100, 101, 102, 103} <= {choice.place for choice in chosen}


def test_k_centre_takes_the_farthest_first() -> None:
    assert k_centre(np.array([[0.0], [1.0], [9.0], [5.0]]), 3) == [0, 2, 3]


def test_k_centre_of_equal_points_takes_each_once() -> None:
    assert sorted(k_centre(np.zeros((5, 2)), 5)) == [0, 1, 2, 3, 4]


def test_the_margin_says_how_uncertain_a_row_is() -> None:
    scores = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [np.nan, 0.1, 0.2]])

    np.testing.assert_allclose(uncertainty(scores), [1.0, 0.0, 1.0])


def test_wide_inputs_are_thinned() -> None:
    features = as_features([np.zeros((3, 5000), np.float32), np.zeros((3, 2, 2), np.uint8)])

    assert features.shape[0] == 3
    assert features.shape[1] <= 1024
