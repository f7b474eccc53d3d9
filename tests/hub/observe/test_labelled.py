"""Labels are shown to the detectors once each, in the order of their arrival, with the groups of their answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from edgewright.contract.api import AlertKind
from edgewright.hub.events import Event
from edgewright.hub.observe import Observe
from edgewright.hub.observe.detectors import HoldOut, detector
from edgewright.hub.observe.labelled import pane_of
from edgewright.hub.observe.segments import table
from edgewright.hub.observe.windows import Lenses


@dataclass
class Labelled:
    """A labelled answer, as the data room tells it."""

    number: int
    labelled_at: float
    predicted: int | None = 0
    label: int = 0
    device: str = "lane-1"
    chosen_as: str = "reservoir"
    groups: dict[str, str] = field(default_factory=dict)
    score: float | None = None


@pytest.fixture
def hold_out() -> HoldOut:
    return HoldOut(confusion=np.array([[950.0, 50.0], [0.0, 0.0]]))


@pytest.fixture
def told(line, hold_out):
    """What people have labelled; the hub has heard of the version before."""
    told: list[Labelled] = []
    line.observe = Observe(
        line.db,
        line.events,
        line._clock,
        line.alerts,
        Lenses(line._schema_of, lambda schema: hold_out),
        {name: detector(name) for name in ("data-drift", "concept-drift")},
        answers_of=lambda connection, model, version, after: [one for one in told if one.number > after],
    )
    line.minutes(1, {"lane-1": 0.0})
    return told


def label(line, told: list[Labelled], count: int, wrong: float) -> None:
    chance = np.random.default_rng(len(told))
    for _ in range(count):
        line.now += 60
        told.append(Labelled(len(told) + 1, line.now, label=int(chance.random() < wrong)))
    event = Event(number=0, at=line.now, kind="data.labelled", subject="press", data={"model": "press"})
    line.observe.on_labelled(event)


def test_a_flipped_concept_is_an_alert_and_a_good_model_is_none(line, told):
    label(line, told, 200, wrong=0.04)
    calm = line.alerts.chosen()

    label(line, told, 350, wrong=0.24)

    assert calm == []
    (alert,) = line.alerts.chosen()
    assert (alert.kind, alert.detector) == (AlertKind.CONCEPT_DRIFT, "concept-drift")


def by_score() -> HoldOut:
    """The same error rate: half of the unsure answers were wrong, and hardly any of the sure ones."""
    scored, right = np.zeros(32), np.zeros(32)
    scored[[18, 31]], right[[18, 31]] = (96.0, 904.0), (48.0, 902.0)
    return HoldOut(np.array([[950.0, 50.0], [0.0, 0.0]]), scored, right)


@pytest.mark.parametrize("hold_out", [by_score()], ids=["by score"])
@pytest.mark.parametrize(("score", "alarms"), [(0.58, 0), (0.99, 1)], ids=["unsure", "sure"])
def test_answers_chosen_for_doubt_are_held_to_what_their_score_foretold(line, told, score, alarms):
    chance = np.random.default_rng(1)
    for number in range(1, 301):
        line.now += 60
        wrong = int(chance.random() < 0.45)
        told.append(Labelled(number, line.now, label=wrong, chosen_as="uncertain", score=score))

    label(line, told, 0, wrong=0.0)

    assert len(line.alerts.chosen()) == alarms


def test_each_answer_is_read_once(line, told):
    label(line, told, 30, wrong=0.0)
    with line.db.read() as connection:
        first = table.labels_seen(connection, "press")

    label(line, told, 0, wrong=0.0)
    label(line, told, 5, wrong=0.0)

    with line.db.read() as connection:
        assert (first, table.labels_seen(connection, "press")) == ({1: 30}, {1: 35})


def test_a_device_s_cohorts_are_groups_of_its_answers():
    answers = [
        Labelled(1, 10.0, groups={"skin": "dark"}),
        Labelled(2, 20.0, predicted=1, device="lane-2", chosen_as="uncertain"),
    ]

    pane = pane_of(answers, {"lane-1": ["site=a"], "lane-2": ["site=b=c"]})

    assert pane.answers.groups == {"site": ["a", "b=c"], "skin": ["dark", ""]}
    assert pane.answers.is_wrong.tolist() == [False, True]
    assert pane.answers.is_even.tolist() == [True, False]
    assert np.isnan(pane.answers.score).all()
    assert (pane.rows, pane.end) == (0.0, 20.0)
