"""Who gets memory: never more than there is, and never a lower priority before a higher."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.agent.workers.admission import Answer, Claim, Holding, admit, need_bytes

MODELS = "abcdefgh"


@st.composite
def situations(draw: st.DrawFn) -> tuple[Claim, list[Holding], int]:
    budget = draw(st.integers(1, 100))
    holdings: list[Holding] = []
    for model in draw(st.lists(st.sampled_from(MODELS[:-1]), unique=True)):
        room = budget - sum(held.held_bytes for held in holdings)
        if room > 0:
            holdings.append(
                Holding(
                    model=model,
                    held_bytes=draw(st.integers(1, room)),
                    priority=draw(st.integers(0, 2)),
                    last_used_s=draw(st.integers(0, 5)),
                    is_busy=draw(st.booleans()),
                    is_leaving=draw(st.booleans()),
                )
            )
    model = draw(st.sampled_from(MODELS))
    return Claim(model, draw(st.integers(1, 120)), draw(st.integers(0, 2))), holdings, budget


@given(situations())
def test_what_is_admitted_fits_into_the_budget(situation):
    claim, holdings, budget = situation

    decision = admit(claim, holdings, budget)

    if decision.answer is Answer.ADMITTED:
        assert claim.need_bytes + sum(held.held_bytes for held in holdings) <= budget
        assert decision.give_way == ()


@given(situations())
def test_once_the_others_have_given_way_the_claim_is_admitted(situation):
    claim, holdings, budget = situation

    decision = admit(claim, holdings, budget)

    if decision.answer is Answer.WAIT:
        left = [held for held in holdings if not held.is_leaving and held.model not in decision.give_way]
        assert admit(claim, left, budget).answer is Answer.ADMITTED


@given(situations())
def test_nobody_is_refused_for_the_sake_of_a_lower_priority(situation):
    claim, holdings, budget = situation

    decision = admit(claim, holdings, budget)

    if decision.answer is Answer.REFUSED:
        kept = [held for held in holdings if not held.is_leaving and held.priority >= claim.priority]
        own = [held for held in holdings if held.model == claim.model and held not in kept and not held.is_leaving]
        assert claim.need_bytes + sum(held.held_bytes for held in kept + own) > budget
        assert decision.reason


@given(situations())
def test_only_lower_priorities_and_idle_equals_give_way_and_none_in_vain(situation):
    claim, holdings, budget = situation

    decision = admit(claim, holdings, budget)

    chosen = [held for held in holdings if held.model in decision.give_way]
    assert all(not held.is_leaving and held.model != claim.model for held in chosen)
    assert all(
        held.priority < claim.priority or (held.priority == claim.priority and not held.is_busy) for held in chosen
    )
    for spared in chosen:
        left = [
            held for held in holdings if not held.is_leaving and (held is spared or held.model not in decision.give_way)
        ]
        assert claim.need_bytes + sum(held.held_bytes for held in left) > budget


@given(st.data())
def test_the_budget_holds_over_a_long_time(data):
    budget, needs = 100, {model: 10 + 11 * place for place, model in enumerate(MODELS)}
    holdings: dict[str, Holding] = {}
    for _ in range(40):
        model = data.draw(st.sampled_from(MODELS))
        if model in holdings:
            continue
        claim = Claim(model, needs[model], data.draw(st.integers(0, 2)))

        decision = admit(claim, list(holdings.values()), budget)

        for name in decision.give_way:
            del holdings[name]
        if decision.answer is Answer.ADMITTED:
            holdings[model] = Holding(model, claim.need_bytes, claim.priority, is_busy=data.draw(st.booleans()))
        assert sum(held.held_bytes for held in holdings.values()) <= budget


def test_the_least_recently_used_of_the_lowest_priority_gives_way():
    holdings = [
        Holding("busy", 30, 0, is_busy=True),
        Holding("fresh", 30, 0, last_used_s=9.0),
        Holding("stale", 30, 0, last_used_s=1.0),
        Holding("dear", 10, 1, last_used_s=0.0),
    ]

    assert admit(Claim("new", 30, 1), holdings, 100).give_way == ("stale",)
    assert admit(Claim("new", 55, 1), holdings, 100).give_way == ("stale", "fresh")
    assert admit(Claim("new", 90, 2), holdings, 100).give_way == ("stale", "fresh", "busy")
    assert admit(Claim("new", 90, 1), holdings, 100).answer is Answer.WAIT
    assert admit(Claim("new", 90, 0), holdings, 100).answer is Answer.REFUSED


def test_a_claim_waits_for_one_that_has_not_settled_as_it_may_take_less_than_it_declares():
    loading = Holding("other", 80, 0, is_busy=True, is_settled=False)

    assert admit(Claim("new", 30, 0), [loading], 100).answer is Answer.WAIT


@pytest.mark.parametrize(
    ("declared", "seen", "automatic", "need"),
    [(512, 0, 0, 512), (512, 80, 0, 100), (512, 500, 0, 512), (512, 0, 192, 192), (512, 80, 192, 100)],
)
def test_a_declaration_is_a_bound_and_what_was_seen_is_the_estimate(declared, seen, automatic, need):
    assert need_bytes(declared, seen, automatic) == need
