"""No row joins a snapshot twice, and none is both learned from and measured with."""

import itertools

import numpy as np
import pytest

from edgewright.contract import arrays
from edgewright.contract.api import FileRef, LabelDraft, SnapshotDraft
from edgewright.contract.errors import InvalidInput
from edgewright.contract.report import Sample
from edgewright.hub.data import Data, npz


@pytest.fixture
def data(db, events, audit, blobs):
    return Data(db, events, audit, itertools.count(100.0).__next__, blobs)


@pytest.fixture
def base(data, blobs, ana):
    """Two rows to learn from, [0, 0] and [1, 1], and one held out, [9, 9]."""
    train = {"x": np.array([[0, 0], [1, 1]], np.float32), "label": np.array([0, 1])}
    held = {"x": np.array([[9, 9]], np.float32), "label": np.array([0])}
    files = tuple(ref(blobs, path, rows) for path, rows in (("train.npz", train), ("holdout.npz", held)))
    return data.create(ana, SnapshotDraft(dataset="d", files=files))


@pytest.fixture
def labelled(db, data, ana):
    """Takes in samples (value, how chosen) and labels them 1."""
    numbers = itertools.count()

    def take(*wanted, dtype=np.float32):
        samples = [sample(next(numbers), value, chosen_as, dtype) for value, chosen_as in wanted]
        with db.write() as connection:
            data.add_samples(connection, "dev", samples)
        data.label(ana, [LabelDraft(sample=f"dev:{item.id}", label=1) for item in samples])

    return take


def ref(blobs, path, rows):
    body = npz.write(rows)
    return FileRef(path=path, sha256=blobs.put_bytes(body), size_bytes=len(body))


def sample(number, value, chosen_as, dtype):
    return Sample(
        id=f"s{number}",
        request="r1",
        model="m",
        version=1,
        at=float(number),
        reference=f"ref-{number}",
        chosen_as=chosen_as,
        uncertainty=0.5,
        inputs=arrays.encode({"x": np.full((1, 2), value, dtype)}),
        outputs=b"",
        groups={"site": f"site-{value}"},
        weight=10.0,
    )


def values(data, snapshot, path):
    return data.arrays(snapshot.id, path)["x"][:, 0].tolist()


def test_the_same_content_joins_once_however_often_it_was_sent(data, base, labelled, ana):
    labelled((5, "uncertain"), (5, "uncertain"), (0, "uncertain"))

    grown = data.extend(ana, base.id, "m", "r1")

    assert values(data, grown, "train.npz") == [0, 1, 5]
    assert "2 left out" in grown.note


def test_content_is_compared_in_the_datasets_own_type(data, base, labelled, ana):
    labelled((1, "uncertain"), (6, "uncertain"), dtype=np.float64)

    grown = data.extend(ana, base.id, "m")

    assert values(data, grown, "train.npz") == [0, 1, 6]


def test_what_is_held_out_is_never_learned_from(data, base, labelled, ana):
    labelled((9, "uncertain"), (1, "reservoir"), (7, "reservoir"), (7, "uncertain"))

    grown = data.extend(ana, base.id, "m")

    assert values(data, grown, "train.npz") == [0, 1, 7]
    assert not data.has(grown.id, "holdout_new.npz")
    assert data.diff(base.id, grown.id).leaks == 0


def test_the_new_hold_out_tells_where_its_rows_come_from(data, base, labelled, ana):
    labelled((7, "reservoir"))
    first = data.extend(ana, base.id, "m")
    labelled((8, "reservoir"))

    grown = data.extend(ana, first.id, "m")

    held = data.arrays(grown.id, "holdout_new.npz")
    assert held["device"].tolist() == ["dev", "dev"]
    assert held["site"].tolist() == ["site-7", "site-8"]
    assert held["weight"].tolist() == [10.0, 10.0]


def test_nothing_new_makes_no_new_snapshot(data, base, labelled, ana):
    labelled((5, "uncertain"))
    grown = data.extend(ana, base.id, "m")

    assert data.extend(ana, grown.id, "m") == grown


def test_samples_that_lack_an_input_of_the_dataset_are_refused(db, data, base, ana):
    bare = arrays.encode({"y": np.zeros((1, 2), np.float32)})
    item = Sample(**{name: getattr(sample(1, 1, "uncertain", np.float32), name) for name in _KEPT}, inputs=bare)
    with db.write() as connection:
        data.add_samples(connection, "dev", [item])
    data.label(ana, [LabelDraft(sample="dev:s1", label=1)])

    with pytest.raises(InvalidInput) as refused:
        data.extend(ana, base.id, "m")

    assert refused.value.field == "samples"


_KEPT = ("id", "request", "model", "version", "at", "reference", "chosen_as", "uncertainty", "outputs")


def test_two_snapshots_differ_by_rows_whatever_their_order(data, blobs, base, ana):
    train = {"x": np.array([[1, 1], [0, 0], [4, 4]], np.float32), "label": np.array([1, 1, 0])}
    notes = FileRef(path="notes.txt", sha256=blobs.put_bytes(b"hi"), size_bytes=2)
    files = (ref(blobs, "train.npz", train), base.files[1], notes)
    after = data.create(ana, SnapshotDraft(dataset="d", files=files))

    diff = {file.path: file for file in data.diff(base.id, after.id).files}

    rows = diff["train.npz"]
    assert (rows.rows_added, rows.rows_removed, rows.relabelled) == (1, 0, 1)
    assert (rows.labels_before, rows.labels_after) == ({"0": 1, "1": 1}, {"0": 1, "1": 2})
    assert diff["holdout.npz"].change == "same"
    assert diff["notes.txt"].change == "added"


def test_a_diff_counts_what_leaks(data, blobs, base, ana):
    train = {"x": np.array([[9, 9], [0, 0]], np.float32), "label": np.array([1, 1])}
    after = data.create(ana, SnapshotDraft(dataset="d", files=(ref(blobs, "train.npz", train), base.files[1])))

    assert data.diff(base.id, after.id).leaks == 1


def test_text_joins_in_its_full_length(db, data, blobs, ana):
    train = {"t": np.array(["ab"]), "label": np.array([0])}
    base = data.create(ana, SnapshotDraft(dataset="t", files=(ref(blobs, "train.npz", train),)))
    kept = {name: getattr(sample(1, 1, "uncertain", np.float32), name) for name in _KEPT}
    item = Sample(**kept, inputs=arrays.encode({"t": np.array(["a long text"], object)}))
    with db.write() as connection:
        data.add_samples(connection, "dev", [item])
    data.label(ana, [LabelDraft(sample="dev:s1", label=1)])

    grown = data.extend(ana, base.id, "m")

    assert data.arrays(grown.id, "train.npz")["t"].tolist() == ["ab", "a long text"]
