"""What serves a model, by rows: event in a phase → phase and what is to be done; and which package is to serve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.agent.states import MAX_CRASHES, Active
from edgewright.agent.workers.states import NEXT, Act, Event, Phase, choose

NEW = Active(slot="b", manifest_sha256="n" * 64, version=2, counter=20)
OLD = Active(slot="a", manifest_sha256="o" * 64, version=1, counter=10)


def take(events: list[Event]) -> tuple[Phase, list[Act]]:
    """What the table makes of these events, one after the other, from the beginning."""
    phase, done = Phase.IDLE, []
    for event in events:
        phase, acts = NEXT[phase][event]
        done += acts
    return phase, done


@pytest.mark.parametrize(
    ("events", "phase", "acts"),
    [
        ("called", "starting", "start"),
        ("called warm", "ready", "start promote"),
        ("called broke", "backing_off", "start rest"),
        ("called broke rested", "idle", "start rest"),
        ("called broke changed", "idle", "start rest"),  # to the spare, at once
        ("called changed", "idle", "start abandon"),
        ("called removed", "gone", "start abandon close"),
        ("called warm died", "backing_off", "start promote rest"),
        ("called warm unused", "idle", "start promote drain"),
        ("called warm removed", "gone", "start promote drain close"),
        ("called warm succeeded", "swapping", "start promote start"),
        ("called warm succeeded warm", "ready", "start promote start drain promote"),
        ("called warm succeeded broke", "ready", "start promote start rest"),  # the old one goes on
        ("called warm succeeded died", "starting", "start promote start"),  # the new one is on its way already
        ("called warm succeeded changed", "ready", "start promote start abandon"),
        ("called warm succeeded unused", "idle", "start promote start abandon drain"),
        ("called warm succeeded removed", "gone", "start promote start abandon drain close"),
        ("called warm succeeded_alone", "replacing", "start promote drain"),
        ("called warm succeeded_alone drained called", "starting", "start promote drain start"),
        ("called warm succeeded_alone removed", "gone", "start promote drain close"),
        ("removed", "gone", "close"),
    ],
)
def test_rows(events, phase, acts):
    got = take([Event(event) for event in events.split()])

    assert got == (Phase(phase), [Act(act) for act in acts.split()])


@given(st.data())
def test_whatever_happens_there_is_one_worker_that_serves_and_one_that_loads_at_most(data):
    phase, serving, loading = Phase.IDLE, False, False
    for _ in range(data.draw(st.integers(0, 30))):
        if not NEXT[phase]:
            break
        event = data.draw(st.sampled_from(sorted(NEXT[phase])))
        assert not (event in (Event.WARM, Event.BROKE) and not loading)
        assert not (event in (Event.DIED, Event.DRAINED) and not serving)
        if event in (Event.BROKE,):
            loading = False
        if event in (Event.DIED, Event.DRAINED):
            serving = False

        phase, acts = NEXT[phase][event]

        for act in acts:
            if act is Act.START:
                assert not loading
                loading = True
            elif act is Act.PROMOTE:
                assert loading
                assert not serving
                serving, loading = True, False
            elif act is Act.DRAIN:
                assert serving
                serving = phase is Phase.REPLACING  # until it has ended
            elif act is Act.ABANDON:
                assert loading
                loading = False
        assert loading == (phase in (Phase.STARTING, Phase.SWAPPING))
        assert serving == (phase in (Phase.READY, Phase.SWAPPING, Phase.REPLACING)) or phase is Phase.GONE


def test_every_phase_can_be_left_and_every_act_is_taken():
    assert all(NEXT[phase] for phase in Phase if phase is not Phase.GONE)
    assert {act for rows in NEXT.values() for _, acts in rows.values() for act in acts} == set(Act)
    assert all(Event.REMOVED in NEXT[phase] for phase in Phase if phase is not Phase.GONE)


@pytest.mark.parametrize(
    ("new_crashes", "old_crashes", "spare", "serves"),
    [
        (0, 0, OLD, NEW),
        (MAX_CRASHES - 1, 0, OLD, NEW),
        (MAX_CRASHES, 0, OLD, OLD),
        (MAX_CRASHES, 0, None, NEW),
        (MAX_CRASHES, MAX_CRASHES, OLD, NEW),
    ],
)
def test_after_three_crashes_the_spare_stands_in(new_crashes, old_crashes, spare, serves):
    crashes = {NEW.manifest_sha256: new_crashes, OLD.manifest_sha256: old_crashes}

    assert choose(NEW, spare, crashes) == serves
