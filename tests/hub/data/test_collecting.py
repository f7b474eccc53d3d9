"""Samples come in that somebody asked for and that the model's data policy lets leave; the others never."""

import numpy as np
import pytest

from edgewright.contract import arrays
from edgewright.contract.data_policy import Blur, DataPolicy, subject_key
from edgewright.contract.dtype import Dtype
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Sample
from edgewright.contract.tensors import Contract, TensorSpec
from edgewright.hub.data import Collections, Data, DataPolicies, table
from edgewright.hub.registry import UnknownModel, UnknownVersion

CONTRACT = Contract(
    inputs=(
        TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 2)),
        TensorSpec(name="name", dtype=Dtype.STRING, shape=(None, 1)),
    ),
    outputs=(),
)


class Shelf:
    """A registry of one model with one version."""

    def version(self, model, version):
        if (model, version) != ("m", 1):
            raise UnknownVersion("there is none")
        return self

    def model(self, name):
        if name != "m":
            raise UnknownModel("there is none")
        return self

    versions = property(lambda self: (self,))
    contract = CONTRACT


@pytest.fixture
def policies(db, events, audit, clock):
    return DataPolicies(db, events, audit, clock, Shelf())


@pytest.fixture
def collections(db, events, audit, clock, policies):
    return Collections(db, events, audit, clock, Shelf(), policies)


@pytest.fixture
def data(db, events, audit, clock, blobs):
    return Data(db, events, audit, clock, blobs)


@pytest.fixture
def asked(db, collections):
    with db.write() as connection:
        collections.open(connection, "r1", "m", 2)


def sample(number=1, **changes):
    facts = {
        "id": f"s{number}",
        "request": "r1",
        "model": "m",
        "version": 1,
        "at": 10.0,
        "reference": "",
        "chosen_as": "reservoir",
        "uncertainty": 0.5,
        "inputs": arrays.encode({"x": np.zeros((1, 2), np.float32)}),
        "outputs": b"",
    }
    return Sample(**{**facts, **changes})


def wanted(db, collections, *samples):
    with db.write() as connection:
        return [item.id for item in collections.wanted(connection, "dev", samples)]


def test_without_a_policy_nobody_is_asked_and_nothing_is_taken_in(db, collections, asked):
    assert collections.collects_for(["m"]) == ()
    assert wanted(db, collections, sample()) == []


def test_a_policy_lets_in_what_it_names(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True, inputs=("x",)))
    named = arrays.encode({"x": np.zeros((1, 2), np.float32), "name": np.array([["adam"]], object)})

    found = wanted(db, collections, sample(1), sample(2, inputs=named))

    assert [(collect.request, collect.budget) for collect in collections.collects_for(["m"])] == [("r1", 2)]
    assert found == ["s1"]


def test_what_a_policy_forbids_holds_at_once(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))
    policies.put(ana, "m", DataPolicy(may_leave=False))

    assert collections.collects_for(["m"]) == ()
    assert wanted(db, collections, sample()) == []


def test_each_device_has_its_budget(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))

    assert wanted(db, collections, sample(1), sample(2), sample(3)) == ["s1", "s2"]


def test_a_closed_request_asks_nobody(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))
    with db.write() as connection:
        collections.close(connection, "r1")

    assert collections.collects_for(["m"]) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": float("nan")},
        {"weight": -1.0},
        {"at": 1e300},
        {"at": 1e13},
        {"at": 1_000.0 + 2 * 86_400},
        {"at": -1.0},
        {"groups": {"site": "x" * 200}},
        {"groups": {str(number): "" for number in range(9)}},
        {"subject": "x" * 65},
        {"inputs": arrays.encode({"x": np.zeros((1, 3), np.float32)})},
        {"inputs": arrays.encode({})},
        {"request": "r2"},
        {"version": 2},
    ],
)
def test_what_cannot_be_is_refused(changes, db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))

    assert wanted(db, collections, sample(**changes)) == []


def test_a_clock_that_is_some_hours_ahead_or_far_behind_loses_no_sample(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))

    assert wanted(db, collections, sample(1, at=1_000.0 + 23 * 3_600), sample(2, at=0.0)) == ["s1", "s2"]


def test_late_samples_of_somebody_who_was_erased_are_refused(db, collections, policies, asked, ana):
    policies.put(ana, "m", DataPolicy(may_leave=True))
    key = subject_key("adam")
    with db.write() as connection:
        connection.execute(table.erased_subject.insert().values(key=key, erased_at=50.0))

    found = wanted(db, collections, sample(1, subject=key, at=49.0), sample(2, subject=key, at=51.0))

    assert found == ["s2"]


def test_a_policy_that_does_not_fit_the_model_is_refused(policies, ana):
    with pytest.raises(InvalidInput) as refused:
        policies.put(ana, "m", DataPolicy(redaction=(Blur(input="x", radius=1),)))

    assert refused.value.field == "data.redaction[0].input"


def test_a_policy_may_come_before_the_model(policies, ana):
    policies.put(ana, "later", DataPolicy(may_leave=True))

    assert policies.get("later").policy.may_leave


def test_a_policys_retention_holds_for_what_is_here_and_what_comes(db, data, policies, ana):
    def expiries():
        return [item.expires_at for item in data.samples("m")]

    with db.write() as connection:
        data.add_samples(connection, "dev", [sample(1, at=1000.0)])
    before = expiries()
    policies.put(ana, "m", DataPolicy(may_leave=True, retention_days=1.0))
    with db.write() as connection:
        data.add_samples(connection, "dev", [sample(2, at=1000.5)])

    assert before == [None]
    assert expiries() == [1000.0 + 86_400, 1000.5 + 86_400]
