"""Windows whose rare categories were folded: no drift by themselves, and no cover for one."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.contract.data_policy import Privacy
from edgewright.contract.profile import Profile, build_schema
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.observe.windows.unfolding import unfold

SCORES = TensorSpec(name="s", dtype=Dtype.FLOAT32, shape=(None, 10), kind=Kind.SCORES)
INPUT = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 3), names=("heat", "flow", "hum"))
SHARES = np.array([0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01])


def rows(random, count, shares=SHARES):
    scores = random.dirichlet(np.ones(10), size=count).astype(np.float32)
    scores[np.arange(count), random.choice(10, count, p=shares)] += 2
    return {"x": random.normal(size=(count, 3)).astype(np.float32)}, {"s": scores / scores.sum(axis=1, keepdims=True)}


@pytest.fixture
def line(line):
    """A plant whose devices answer with one of ten classes; training counted 5,000 answers."""
    contract = Contract(inputs=(INPUT,), outputs=(SCORES,))
    line.schema = build_schema(contract, "press", 1, *rows(line.random, 5000))
    line.observe = line.watch("label-shift")
    return line


def send(line, count: int, shares=SHARES, min_rows: int = 10) -> None:
    """A minute's window, folded as a device does."""
    line.now += 60
    profile = Profile(line.schema)
    profile.update(*rows(line.random, count, shares), 0.001)
    sent = profile.protected(Privacy(min_category_rows=min_rows), line.random.integers)
    facts = {"rows": count, "schema_sha256": line.schema.sha256, "min_category_rows": min_rows, "folded": 1}
    line.send("d-1", msgspec.structs.replace(line.window(rows=1), payload=sent.to_bytes(), **facts))


def predicted(line) -> slice:
    return next(line.schema.span(one.name) for one in line.schema.features if one.name.endswith("predicted"))


def test_classes_that_are_folded_every_minute_are_no_shift(line):
    for _ in range(90):
        send(line, 60)
        assert line.observe.detect("press", 1) is None


def test_a_shift_is_seen_although_the_rare_classes_are_folded(line):
    turned = np.roll(SHARES, 3)

    raised = []
    for _ in range(20):
        send(line, 300, turned)
        raised.append(line.observe.detect("press", 1))

    assert any(raised)


def test_what_is_unfolded_adds_up_to_what_training_foretells(line):
    reference = np.concatenate([np.array(bins.counts or (0,) * bins.slots, float) for bins in line.schema.bins])
    total = np.zeros(line.schema.offsets[-1])
    for _ in range(300):
        profile = Profile(line.schema)
        profile.update(*rows(line.random, 60), 0.001)
        folded = profile.protected(Privacy(min_category_rows=10), line.random.integers).counts.astype(float)
        total += unfold(line.schema, reference, folded, 10, 1)

    seen = total[predicted(line)][:-2] / total[predicted(line)].sum()
    assert 0.5 * np.abs(seen - SHARES).sum() < 0.03


@pytest.mark.parametrize(("windows", "told_apart"), [(1, 9 * 9), (4, 9 * 9 * 4)])
def test_no_more_is_given_to_a_class_than_may_be_hidden(line, windows, told_apart):
    reference, counts = np.zeros(line.schema.offsets[-1]), np.zeros(line.schema.offsets[-1])
    span = predicted(line)
    reference[span] = [500] * 10 + [0, 0]
    counts[span] = [1000] + [0] * 9 + [9000, 0]  # a new class is most of what is seen

    found = unfold(line.schema, reference, counts, 10, windows)[span]

    assert found.sum() == 10_000
    assert found[1:10].sum() == told_apart
    assert found[10] == 9000 - told_apart


@pytest.mark.parametrize(
    "change", [{"folded": 0}, {"min_category_rows": 0}, {"folded": -1}, {"folded": 2**40}, {"min_category_rows": 10**9}]
)
def test_a_window_that_tells_untruths_of_its_folding_is_refused(line, change):
    profile = Profile(line.schema)
    profile.update(*rows(line.random, 60), 0.001)
    facts = {"rows": 60, "schema_sha256": line.schema.sha256, "min_category_rows": 10, "folded": 1} | change

    line.send("d-1", msgspec.structs.replace(line.window(rows=1), payload=profile.to_bytes(), **facts))

    assert len(line.told("observe.window_refused")) == 1
