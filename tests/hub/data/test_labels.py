"""Labels come late, in parts, by other names, and from people who do not agree: what was said stays known."""

import itertools

import numpy as np
import pytest

from edgewright.contract import arrays
from edgewright.contract.api import LabelDraft, LabelReply, LabelSource
from edgewright.contract.data_policy import hashed_reference
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Sample
from edgewright.hub.data import Data
from edgewright.hub.data.model import UnknownSample
from edgewright.hub.data.samples import labels
from edgewright.hub.events import Event
from edgewright.hub.govern import Principal


def sample(number, reference="", version=1):
    return Sample(
        id=f"s{number}",
        request="r1",
        model="m",
        version=version,
        at=float(number),
        reference=reference,
        chosen_as="reservoir",
        uncertainty=0.5,
        inputs=arrays.encode({"x": np.full((1, 2), number, np.float32)}),
        outputs=b"",
        groups={"site": "berlin"},
    )


@pytest.fixture
def data(db, events, audit, blobs):
    return Data(db, events, audit, itertools.count(100.0).__next__, blobs)


@pytest.fixture
def bob():
    return Principal(name="bob", roles=())


@pytest.fixture
def take_in(db, data):
    def take(*samples, predicted=0, score=None):
        with db.write() as connection:
            data.add_samples(connection, "dev", samples, lambda sample: predicted, scored=lambda sample: score)

    return take


def by_id(data, id):
    return next(item for item in data.samples("m") if item.id == id)


def test_a_label_that_changes_keeps_what_it_was_and_who_said_it(data, take_in, ana, bob):
    take_in(sample(1))

    data.label(ana, [LabelDraft(sample="dev:s1", label=3)], source=LabelSource.CSV)
    reply = data.label(bob, [LabelDraft(sample="dev:s1", label=5)])

    told = [(change.label, change.previous, change.by, change.source) for change in data.history("dev:s1")]
    assert told == [(3, None, "ana", LabelSource.CSV), (5, 3, "bob", LabelSource.API)]
    assert reply == LabelReply(changed=1, disputed=1)
    assert (by_id(data, "dev:s1").label, by_id(data, "dev:s1").is_disputed) == (5, True)


def test_people_who_agree_in_the_end_no_longer_dispute(data, take_in, ana, bob):
    take_in(sample(1))
    data.label(ana, [LabelDraft(sample="dev:s1", label=3)])
    data.label(bob, [LabelDraft(sample="dev:s1", label=5)])

    data.label(ana, [LabelDraft(sample="dev:s1", label=5)])

    assert not by_id(data, "dev:s1").is_disputed
    assert data.progress("m").disputed == 0


def test_the_same_word_again_is_no_news(data, take_in, ana):
    take_in(sample(1))
    data.label(ana, [LabelDraft(sample="dev:s1", label=3)])

    reply = data.label(ana, [LabelDraft(sample="dev:s1", label=3)])

    assert reply == LabelReply(unchanged=1)
    assert len(data.history("dev:s1")) == 1


def test_a_label_can_be_withdrawn(data, db, take_in, ana):
    take_in(sample(1))
    data.label(ana, [LabelDraft(sample="dev:s1", label=3)])

    data.label(ana, [LabelDraft(sample="dev:s1", label=None)])

    assert [item.id for item in data.samples("m", unlabelled=True)] == ["dev:s1"]
    with db.read() as connection:
        assert data.answers(connection, "m", 1) == []


@pytest.mark.parametrize("known_as", ["order-7", hashed_reference("order-7")])
def test_a_reference_labels_every_sample_that_bears_it(known_as, data, take_in, ana):
    take_in(sample(1, known_as), sample(2, known_as), sample(3, "order-8"))

    reply = data.label(ana, [LabelDraft(model="m", reference="order-7", label=1)])

    assert reply == LabelReply(labelled=2)
    assert by_id(data, "dev:s3").label is None


@pytest.mark.parametrize("known_as", ["order-7", hashed_reference("order-7")])
def test_a_label_that_comes_before_its_sample_waits_for_it(known_as, data, take_in, ana):
    reply = data.label(ana, [LabelDraft(model="m", reference="order-7", label=4)], is_partial=True)
    take_in(sample(1, known_as), sample(2))

    assert reply == LabelReply(waiting=1)
    assert (by_id(data, "dev:s1").label, by_id(data, "dev:s1").labelled_by) == (4, "ana")
    assert by_id(data, "dev:s2").label is None


def test_a_label_that_has_waited_for_its_sample_for_a_quarter_of_a_year_waits_no_longer(data, take_in, db, ana):
    data.label(ana, [LabelDraft(model="m", reference="order-7", label=4)], is_partial=True)  # at 100
    data.label(ana, [LabelDraft(model="m", reference="order-8", label=4)], is_partial=True)  # at 101

    with db.write() as connection:
        forgotten = labels.forget_waiting(connection, 100.0 + labels.MAX_WAIT_S)
    take_in(sample(7, "order-7"), sample(8, "order-8"))

    assert forgotten == {"m": 1}
    assert (by_id(data, "dev:s7").label, by_id(data, "dev:s8").label) == (None, 4)


def test_a_batch_with_an_unknown_sample_labels_nothing_and_names_its_place(data, take_in, ana):
    take_in(sample(1))

    with pytest.raises(UnknownSample) as refused:
        data.label(ana, [LabelDraft(sample="dev:s1", label=1), LabelDraft(sample="dev:s9", label=1)])

    assert refused.value.field == "labels[1].sample"
    assert by_id(data, "dev:s1").label is None


def test_a_batch_in_parts_labels_what_is_known(data, take_in, ana):
    take_in(sample(1))

    drafts = [LabelDraft(sample="dev:s1", label=1), LabelDraft(sample="dev:s9", label=1)]
    reply = data.label(ana, drafts, is_partial=True)

    assert reply == LabelReply(labelled=1, unknown=("dev:s9",))


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (LabelDraft(label=1), "labels[0].sample"),
        (LabelDraft(sample="a", reference="b", model="m", label=1), "labels[0].sample"),
        (LabelDraft(reference="b", label=1), "labels[0].model"),
        (LabelDraft(sample="a", label=-1), "labels[0].label"),
    ],
)
def test_a_label_that_cannot_be_is_refused_by_its_field(draft, field, data, ana):
    with pytest.raises(InvalidInput) as refused:
        data.label(ana, [draft])

    assert refused.value.field == field


def test_a_dry_run_tells_what_it_would_do_and_does_nothing(data, take_in, ana):
    take_in(sample(1))

    reply = data.label(ana, [LabelDraft(sample="dev:s1", label=1)], dry_run=True)

    assert reply == LabelReply(labelled=1)
    assert by_id(data, "dev:s1").label is None


def test_answers_come_in_the_order_of_first_labels_each_once(db, data, take_in, ana, bob):
    take_in(sample(1), sample(3, version=2), predicted=7)
    take_in(sample(2), predicted=7, score=0.75)
    data.label(ana, [LabelDraft(sample="dev:s2", label=1)])
    data.label(ana, [LabelDraft(sample="dev:s1", label=7), LabelDraft(sample="dev:s3", label=7)])
    data.label(bob, [LabelDraft(sample="dev:s2", label=7)])

    with db.read() as connection:
        found = data.answers(connection, "m", 1)
        rest = data.answers(connection, "m", 1, after=found[0].number)

    assert [(answer.at, answer.predicted, answer.label) for answer in found] == [(2.0, 7, 7), (1.0, 7, 7)]
    assert [answer.at for answer in rest] == [1.0]
    assert [answer.score for answer in found] == [0.75, None]
    assert found[0].labelled_at < found[1].labelled_at
    assert found[0].groups == {"site": "berlin"}


def test_labels_are_told_by_model_and_request(data, events, take_in, ana):
    take_in(sample(1), sample(2))
    heard: list[Event] = []
    events.subscribe("data.labelled", heard.append)

    data.label(ana, [LabelDraft(sample="dev:s1", label=1), LabelDraft(sample="dev:s2", label=1)])
    events.deliver()

    assert [event.data for event in heard] == [{"model": "m", "request": "r1", "count": 2}]
