"""Snapshots never change, and what is learned from the field never grades itself."""

import io
import itertools

import numpy as np
import pytest
import safetensors.numpy
import sqlalchemy as sa

from edgewright.contract.api import FileRef, LabelDraft, SnapshotDraft
from edgewright.contract.errors import HostileInput, InvalidInput, NotFound
from edgewright.contract.report import Sample
from edgewright.hub.data import Data, npz
from edgewright.hub.data.model import NothingLabelled, UnknownSample


def upload(blobs, path, **arrays):
    data = npz.write(arrays)
    return FileRef(path=path, sha256=blobs.put_bytes(data), size_bytes=len(data))


def rows(count, start=0):
    x = np.arange(start, start + count * 3, dtype=np.float32).reshape(count, 3)
    return {"x": x, "label": np.arange(count, dtype=np.int64) % 2}


def sample(number, chosen_as, reference=""):
    inputs = safetensors.numpy.save({"x": np.full((1, 3), number, np.float32)})
    return Sample(
        id=f"s{number}",
        request="r1",
        model="m",
        version=1,
        at=float(number),
        reference=reference,
        chosen_as=chosen_as,
        uncertainty=0.5,
        inputs=inputs,
        outputs=b"",
    )


@pytest.fixture
def data(db, events, audit, blobs):
    return Data(db, events, audit, itertools.count(1.0).__next__, blobs)


def test_equal_files_give_the_newest_snapshot_back(data, blobs, ana):
    draft = SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4)),))

    first, again = data.create(ana, draft), data.create(ana, draft)

    assert first == again
    assert first.id == "d@1"


def test_a_dry_run_keeps_nothing(data, blobs, ana):
    data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4)),)), dry_run=True)

    assert data.snapshots() == []


def test_the_successor_of_an_old_snapshot_does_not_become_the_newest(data, db, blobs, ana):
    old, new = (frozen(data, blobs, ana, start) for start in (0, 100))

    replaced(data, db, blobs, ana, old)

    assert data.snapshot("d").id == new.id
    assert frozen(data, blobs, ana, 100) == new
    after = frozen(data, blobs, ana, 200)
    assert (after.id, after.parent) == ("d@4", "d@2")
    assert data.snapshot("d") == after


def test_the_last_successor_of_the_newest_snapshot_is_the_newest(data, db, blobs, ana):
    old, new = (frozen(data, blobs, ana, start) for start in (0, 100))

    once = replaced(data, db, blobs, ana, new)
    replaced(data, db, blobs, ana, old)
    twice = replaced(data, db, blobs, ana, once)

    assert data.snapshot("d").id == twice.id == "d@5"


def frozen(data, blobs, ana, start):
    return data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4, start)),)))


def replaced(data, db, blobs, ana, snapshot):
    with db.write() as connection:
        return data.replace(connection, ana, snapshot, (upload(blobs, "train.npz", **rows(1, snapshot.number)),))


@pytest.mark.parametrize("path", ["../x.npz", "/etc/passwd", "a//b", "a/./b", "a\\b"])
def test_a_path_that_leaves_the_folder_is_refused(data, blobs, ana, path):
    file = FileRef(path=path, sha256=blobs.put_bytes(b"x"), size_bytes=1)

    with pytest.raises(InvalidInput, match="leaves") as refusal:
        data.create(ana, SnapshotDraft(dataset="d", files=(file,)))

    assert refusal.value.field == "files.path"


def test_a_pickle_in_an_npz_is_refused(data, blobs, ana):
    out = io.BytesIO()
    np.savez(out, x=np.array([{"a": 1}], dtype=object))
    file = FileRef(path="train.npz", sha256=blobs.put_bytes(out.getvalue()), size_bytes=1)

    with pytest.raises(InvalidInput, match="plain arrays"):
        data.create(ana, SnapshotDraft(dataset="d", files=(file,)))


def test_arrays_that_differ_in_length_are_refused(data, blobs, ana):
    file = upload(blobs, "train.npz", x=np.zeros((3, 2)), label=np.zeros(2, np.int64))

    with pytest.raises(InvalidInput, match="differ in length"):
        data.create(ana, SnapshotDraft(dataset="d", files=(file,)))


def test_an_unknown_snapshot_is_named(data):
    with pytest.raises(NotFound, match="d@7"):
        data.snapshot("d@7")


def test_materialised_files_are_the_snapshots_files(data, blobs, ana, tmp_path):
    snapshot = data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "a/train.npz", **rows(4)),)))

    data.materialise(snapshot.id, tmp_path / "out")

    np.testing.assert_array_equal(npz.read(tmp_path / "out/a/train.npz", "x")["x"], rows(4)["x"])


def test_a_sample_that_is_sent_twice_is_kept_once(data, db):
    for _ in range(2):
        with db.write() as connection:
            assert data.add_samples(connection, "dev", [sample(1, "uncertain")]) == ["s1"]

    assert len(data.samples("m")) == 1


def test_a_sample_that_is_not_safetensors_is_hostile(data, db):
    broken = sample(1, "uncertain")
    broken = type(broken)(
        **{name: getattr(broken, name) for name in broken.__struct_fields__} | {"inputs": b"\x80\x04"}
    )

    with pytest.raises(HostileInput), db.write() as connection:
        data.add_samples(connection, "dev", [broken])

    assert data.samples("m") == []


def test_a_wrong_sample_id_labels_nothing(data, db, ana):
    with db.write() as connection:
        data.add_samples(connection, "dev", [sample(1, "uncertain")])

    with pytest.raises(UnknownSample):
        data.label(ana, [LabelDraft(sample="dev:s1", label=1), LabelDraft(sample="nope", label=1)])

    assert len(data.samples("m", unlabelled=True)) == 1


def test_uncertain_samples_train_and_the_reservoir_grades(data, db, blobs, ana):
    base = data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4)),)))
    chosen = [
        sample(1, "uncertain", "field-1"),
        sample(2, "uncertain", "field-2"),
        sample(3, "reservoir", "field-3"),
        sample(4, "reservoir", "field-2"),
    ]
    with db.write() as connection:
        data.add_samples(connection, "dev", chosen)
    data.label(ana, [LabelDraft(sample=f"dev:{item.id}", label=1) for item in chosen])

    grown = data.extend(ana, base.id, "m", "r1")

    assert grown.parent == base.id
    assert data.arrays(grown.id, "train.npz")["x"][4:, 0].tolist() == [1.0, 2.0]
    assert data.arrays(grown.id, "holdout_new.npz")["x"][:, 0].tolist() == [3.0]
    assert data.snapshot(base.id) == base


def test_without_labels_there_is_no_new_snapshot(data, db, blobs, ana):
    base = data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4)),)))
    with db.write() as connection:
        data.add_samples(connection, "dev", [sample(1, "uncertain")])

    with pytest.raises(NothingLabelled):
        data.extend(ana, base.id, "m", "r1")


def test_the_bytes_of_an_npz_depend_on_its_arrays_alone():
    assert npz.write(rows(5)) == npz.write(rows(5))


def test_every_change_leaves_an_audit_entry(data, blobs, ana, db, audit):
    data.create(ana, SnapshotDraft(dataset="d", files=(upload(blobs, "train.npz", **rows(4)),)))

    assert [entry.action for entry in audit.entries()] == ["snapshot.create"]
    with db.write() as connection:
        connection.execute(sa.text("UPDATE audit SET actor = 'mallory'"))
    assert not audit.verify().is_verified
