"""A person's data goes for good: from every table, file and blob; what saw it is told, and what cannot be undone."""

import itertools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa
import structlog

from edgewright.contract import arrays
from edgewright.contract.api import (
    ErasureDraft,
    FileRef,
    LabelDraft,
    Lineage,
    SnapshotDraft,
)
from edgewright.contract.data_policy import hashed_reference, subject_key
from edgewright.contract.report import Sample
from edgewright.hub.data import Data, npz, table
from edgewright.hub.data.erasure import Erasures, Keeper, Removal, SnapshotsAffected
from edgewright.hub.data.lake import Lake, Mover

pytestmark = pytest.mark.e2e  # each change of the lake takes its time


class PowerCut(Exception):
    pass


def cut(*args):
    raise PowerCut


class Shelf:
    """A registry with one model, whose versions learned from what the test says."""

    def __init__(self, blobs):
        self._blobs = blobs
        self.lineages = []
        self.golden = ""

    def models(self):
        versions = [SimpleNamespace(version=n, lineage=one) for n, one in enumerate(self.lineages, start=1)]
        return [SimpleNamespace(name="m", versions=versions)]

    def variants(self, _model, version):
        return [SimpleNamespace(target="cpu", golden_sha256=self.golden)] if self.golden and version == 1 else []


@pytest.fixture
def data(db, events, audit, clock, blobs):
    return Data(db, events, audit, clock, blobs)


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def mover(db, lake, blobs):
    return Mover(db, lake, blobs.path)


@pytest.fixture
def removal(db, lake, blobs):
    return Removal(db, lake, blobs.delete)


@pytest.fixture
def shelf(blobs):
    return Shelf(blobs)


@pytest.fixture
def erasures(db, audit, clock, data, shelf, blobs, removal):
    return Erasures(db, audit, clock, data, shelf, blobs, removal)


@pytest.fixture
def keeper(db, events, audit, mover, removal):
    return Keeper(db, events, audit, lambda: 1000.0, mover, removal)


NUMBERS = itertools.count()


def sample(value, subject="", **changes):
    facts = {
        "id": f"s{next(NUMBERS):04}",
        "request": "r1",
        "model": "m",
        "version": 1,
        "at": 10.0,
        "reference": "",
        "chosen_as": "uncertain",
        "uncertainty": 0.5,
        "inputs": inputs(value),
        "outputs": b"",
        "subject": subject_key(subject) if subject else "",
    }
    return Sample(**{**facts, **changes})


def inputs(value):
    return arrays.encode({"x": np.full((1, 3), value, np.float32), "t": np.array([[f"text of {value}"]], object)})


def take_in(db, data, ana, *samples):
    with db.write() as connection:
        data.add_samples(connection, "dev", samples)
    data.label(ana, [LabelDraft(sample=f"dev:{item.id}", label=1) for item in samples])


def expire(db, id):
    with db.write() as connection:
        connection.execute(sa.update(table.sample).where(table.sample.c.id == id).values(expires_at=500.0))


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def base(data, blobs, ana, kind=np.float32):
    train = {"x": np.zeros((2, 3), kind), "t": np.array([["a"], ["b"]]), "label": np.array([0, 1])}
    body = npz.write(train)
    files = (FileRef(path="train.npz", sha256=blobs.put_bytes(body), size_bytes=len(body)),)
    return data.create(ana, SnapshotDraft(dataset="d", files=files))


def test_nothing_of_a_person_is_left_and_others_stay(db, data, blobs, lake, mover, erasures, ana, tmp_path):
    adam, eve = sample(41, "ADAM", reference="ADAM/1"), sample(42, "EVE", reference="EVE/1")
    take_in(db, data, ana, adam, eve)
    mover.move()
    take_in(db, data, ana, late := sample(43, "ADAM", reference="ADAM/2"))

    record = erasures.erase(ana, ErasureDraft(subject="ADAM"))

    assert (record.samples, record.labels, record.models, record.devices) == (2, 2, ("m",), ("dev",))
    assert (record.lake_rows, record.blobs) == (2, 2)
    assert [item.id for item in data.samples("m")] == [f"dev:{eve.id}"]
    held = everything(tmp_path)
    for trace in (b"ADAM", b"text of 41", b"text of 43"):
        assert trace not in held
    assert adam.id.encode() not in everything(tmp_path / "lake")
    assert blobs.exists(data.samples("m")[0].sha256)
    assert late.id not in {item.id for item in data.samples("m")}


def test_a_dry_run_lists_and_deletes_nothing(db, data, erasures, ana):
    take_in(db, data, ana, sample(1, "adam"))

    record = erasures.erase(ana, ErasureDraft(subject="adam"), dry_run=True)

    assert record.samples == 1
    assert len(data.samples("m")) == 1


def test_people_are_found_by_key_and_by_reference(db, data, erasures, ana):
    take_in(db, data, ana, sample(1, "a%m"), sample(2, reference="a%m/7"), sample(3, reference="a%m"))
    take_in(db, data, ana, sample(4, "axm"), sample(5, reference="axm/7"), sample(6, reference="a%mx"))

    assert erasures.erase(ana, ErasureDraft(subject="a%m")).samples == 3


def test_names_that_differ_in_case_are_two(db, data, erasures, ana):
    take_in(db, data, ana, sample(1, reference="adam/7"), sample(2, reference="Adam/7"))
    data.label(ana, [LabelDraft(model="m", reference="ADAM/8", label=1)], is_partial=True)

    record = erasures.erase(ana, ErasureDraft(subject="adam"))

    assert (record.samples, record.labels) == (1, 1)


def test_a_blob_that_somebody_else_has_too_stays(db, data, blobs, erasures, ana):
    take_in(db, data, ana, sample(1, "adam"), other := sample(1, "eve"))

    record = erasures.erase(ana, ErasureDraft(subject="adam"))

    assert record.blobs == 0
    assert blobs.path(data.samples("m")[0].sha256).read_bytes() == other.inputs


def test_snapshots_that_hold_rows_need_a_decision(db, data, blobs, erasures, ana):
    take_in(db, data, ana, sample(1, "adam"))
    snapshot = data.extend(ana, base(data, blobs, ana).id, "m")

    with pytest.raises(SnapshotsAffected) as refused:
        erasures.erase(ana, ErasureDraft(subject="adam"))

    assert snapshot.id in refused.value.message
    assert len(data.samples("m")) == 1


def test_snapshots_are_rewritten_and_read_as_their_successors(db, data, blobs, shelf, erasures, ana, tmp_path):
    take_in(db, data, ana, sample(41, "adam"), sample(42, "eve"))
    first = base(data, blobs, ana)
    grown = data.extend(ana, first.id, "m")
    shelf.lineages = [Lineage(snapshot=grown.id), Lineage(snapshot=first.id), Lineage(snapshot=first.id, parent=1)]

    record = erasures.erase(ana, ErasureDraft(subject="adam", rewrite=True))

    (trace,) = record.snapshots
    assert (trace.snapshot, trace.rows, trace.replaced_by) == (grown.id, {"train.npz": 1}, "d@3")
    assert [(seen.version, seen.why) for seen in record.versions] == [
        ("m@1", f"trained on {grown.id}"),
        ("m@3", "goes on from m@1"),
    ]
    assert data.snapshot(grown.id).replaced_by == "d@3"
    assert data.arrays(grown.id, "train.npz")["x"][:, 0].tolist() == [0, 0, 42]
    assert not blobs.exists(next(file.sha256 for file in grown.files))
    assert any("keep what they learned" in told for told in record.remains)


def test_a_version_that_saw_a_person_is_told_also_once_its_snapshot_was_replaced_for_another(
    db, data, blobs, shelf, erasures, ana
):
    take_in(db, data, ana, sample(41, "adam"), sample(42, "eve"), sample(43, "kim"))
    grown = data.extend(ana, base(data, blobs, ana).id, "m")
    shelf.lineages = [Lineage(snapshot=grown.id), Lineage(snapshot="d@1")]
    for name in ("adam", "eve"):
        erasures.erase(ana, ErasureDraft(subject=name, rewrite=True))

    record = erasures.erase(ana, ErasureDraft(subject="kim", rewrite=True))

    assert [(one.snapshot, one.replaced_by) for one in record.snapshots] == [("d@4", "d@5")]
    assert [(seen.version, seen.why) for seen in record.versions] == [("m@1", f"trained on {grown.id}")]
    assert any("keep what they learned" in told for told in record.remains)


def test_a_packages_self_test_that_holds_a_row_is_told(db, data, blobs, shelf, erasures, ana):
    take_in(db, data, ana, sample(7, "adam"))
    rows = {"in:x": np.full((2, 3), [[1], [7]], np.float32), "in:t": np.array([["a"], ["text of 7"]], object)}
    shelf.golden = blobs.put_bytes(arrays.encode(rows))
    shelf.lineages = [Lineage()]

    assert erasures.erase(ana, ErasureDraft(subject="adam")).self_tests == ("m@1 for cpu",)


def test_the_audit_log_does_not_say_whose_data_it_was(db, data, audit, erasures, ana):
    take_in(db, data, ana, sample(1, "adam"))

    erasures.erase(ana, ErasureDraft(subject="adam"))

    entry = next(item for item in audit.entries() if item.action == "data.erase")
    assert entry.detail["samples"] == 1
    assert "adam" not in str(entry)
    assert subject_key("adam") not in str(entry)


@pytest.mark.parametrize("act", ["lake", "rows", "blobs"])
def test_an_erasure_that_was_cut_off_is_finished_by_another(
    act, db, data, blobs, lake, mover, removal, erasures, ana, monkeypatch, tmp_path
):
    take_in(db, data, ana, sample(41, "adam"))
    mover.move()
    target, name = {"lake": (lake, "delete"), "rows": (removal, "_forget_rows"), "blobs": (removal, "sweep")}[act]

    monkeypatch.setattr(target, name, cut)
    with pytest.raises(PowerCut):
        erasures.erase(ana, ErasureDraft(subject="adam"))
    monkeypatch.undo()

    erasures.erase(ana, ErasureDraft(subject="adam"))

    assert data.samples("m") == []
    assert b"text of 41" not in everything(tmp_path)


@pytest.mark.parametrize(
    "about",
    [
        {"subject": "adam"},
        {"reference": "adam"},
        {"reference": "adam/scans/7"},
        {"reference": hashed_reference("adam")},
    ],
)
def test_rows_of_a_snapshot_are_found_after_their_samples_have_expired(
    about, db, data, blobs, shelf, keeper, erasures, ana
):
    take_in(db, data, ana, mine := sample(41, **about), sample(42, "eve"), sample(43, reference="adams/scans"))
    grown = data.extend(ana, base(data, blobs, ana).id, "m")
    shelf.lineages = [Lineage(snapshot=grown.id)]
    expire(db, f"dev:{mine.id}")
    keeper.look()

    record = erasures.erase(ana, ErasureDraft(subject="adam", rewrite=True))

    assert (record.samples, [seen.version for seen in record.versions]) == (0, ["m@1"])
    assert [(one.snapshot, one.rows) for one in record.snapshots] == [(grown.id, {"train.npz": 1})]
    assert sorted(data.arrays(grown.id, "train.npz")["x"][:, 0]) == [0, 0, 42, 43]
    assert erasures.erase(ana, ErasureDraft(subject="adam", rewrite=True)).snapshots == ()


def test_a_row_that_was_there_already_is_found_by_everybody_who_sent_it(db, data, blobs, keeper, erasures, ana):
    take_in(db, data, ana, first := sample(41, "adam"))
    once = data.extend(ana, base(data, blobs, ana).id, "m")
    take_in(db, data, ana, again := sample(41, "eve"))
    assert data.extend(ana, once.id, "m") == once
    for item in (first, again):
        expire(db, f"dev:{item.id}")
    keeper.look()

    record = erasures.erase(ana, ErasureDraft(subject="eve"), dry_run=True)

    assert [one.rows for one in record.snapshots] == [{"train.npz": 1}]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_expired_row_is_found_in_later_snapshots_and_self_tests_also_in_other_types(
    kind, db, data, blobs, shelf, keeper, erasures, ana
):
    take_in(db, data, ana, mine := sample(0.1, "adam"))
    first = data.extend(ana, base(data, blobs, ana, kind).id, "m")
    expire(db, f"dev:{mine.id}")
    keeper.look()
    take_in(db, data, ana, sample(5))
    second = data.extend(ana, first.id, "m")
    rows = {"in:x": np.full((2, 3), [[1], [0.1]], np.float32), "in:t": np.array([["a"], ["text of 0.1"]], object)}
    shelf.golden = blobs.put_bytes(arrays.encode(rows))
    shelf.lineages = [Lineage()]

    record = erasures.erase(ana, ErasureDraft(subject="adam"), dry_run=True)

    assert [one.snapshot for one in record.snapshots] == [first.id, second.id]
    assert record.self_tests == ("m@1 for cpu",)


@pytest.mark.parametrize("rewrite", [True, False])
def test_what_finds_a_persons_rows_goes_with_them(rewrite, db, data, blobs, erasures, ana):
    take_in(db, data, ana, sample(41, "adam", reference="order-7/x"), sample(42, "eve"))
    data.extend(ana, base(data, blobs, ana).id, "m")
    before = subjects_of_rows(db)

    erasures.erase(ana, ErasureDraft(subject="adam", rewrite=rewrite))

    assert before == {subject_key(name) for name in ("adam", "order-7", "order-7/x", "eve")}
    assert subjects_of_rows(db) == {subject_key("eve")}


def test_files_that_pipelines_made_of_a_persons_rows_are_told(db, data, blobs, erasures, ana):
    take_in(db, data, ana, sample(41, "adam"))
    data.extend(ana, base(data, blobs, ana).id, "m")

    held = erasures.erase(ana, ErasureDraft(subject="adam", rewrite=True))
    nothing = erasures.erase(ana, ErasureDraft(subject="adam"))

    assert any("steps of pipelines" in told for told in held.remains)
    assert not any("steps of pipelines" in told for told in nothing.remains)


def subjects_of_rows(db):
    with db.read() as connection:
        return set(connection.scalars(sa.select(table.subject_row.c.subject)))


def test_samples_whose_time_is_up_are_deleted_everywhere(db, data, events, audit, mover, removal, ana, tmp_path):
    take_in(db, data, ana, sample(41), sample(42))
    with db.write() as connection:
        ids = sorted(item.id for item in data.samples("m"))
        connection.execute(sa.update(table.sample).where(table.sample.c.id == ids[0]).values(expires_at=500.0))
        connection.execute(sa.update(table.sample).where(table.sample.c.id == ids[1]).values(expires_at=1500.0))
    keeper = Keeper(db, events, audit, lambda: 1000.0, mover, removal)

    keeper.look()

    assert [item.id for item in data.samples("m")] == ids[1:]
    assert b"text of 41" not in everything(tmp_path)
    assert [entry.detail for entry in audit.entries() if entry.action == "samples.expire"] == [{"count": 1}]


def test_one_sample_of_an_absurd_time_holds_up_nobody(db, data, events, audit, mover, removal, erasures, ana):
    take_in(db, data, ana, sample(41, "adam", at=1e300), old := sample(42), new := sample(43))
    expire(db, f"dev:{old.id}")

    Keeper(db, events, audit, lambda: 1000.0, mover, removal).look()
    record = erasures.erase(ana, ErasureDraft(subject="adam"))

    assert (record.samples, record.lake_rows) == (1, 2)
    assert [item.id for item in data.samples("m")] == [f"dev:{new.id}"]


def test_a_lake_that_takes_nothing_keeps_no_sample_beyond_its_time(
    db, data, events, audit, mover, removal, ana, monkeypatch
):
    take_in(db, data, ana, sample(41))
    expire(db, data.samples("m")[0].id)
    monkeypatch.setattr(mover, "move", cut)

    with structlog.testing.capture_logs() as told:
        is_done = Keeper(db, events, audit, lambda: 1000.0, mover, removal).look()

    assert data.samples("m") == []
    assert not is_done
    assert [(one["event"], one["step"]) for one in told] == [("data.keeping_failed", "move")]


def test_labels_whose_samples_never_came_go_and_the_audit_log_says_so(
    db, data, events, audit, mover, removal, ana, tmp_path
):
    data.label(ana, [LabelDraft(model="m", reference="ADAM/1", label=1)], is_partial=True)
    later = 2_000.0 + 90 * 86_400

    Keeper(db, events, audit, lambda: later, mover, removal).look()

    with db.read() as connection:
        assert connection.execute(sa.select(table.waiting_label)).all() == []
    assert b"ADAM" not in everything(tmp_path)
    (entry,) = [entry for entry in audit.entries() if entry.action == "labels.expire"]
    assert (entry.subject, entry.detail) == ("m", {"count": 1})


def test_a_hub_with_nothing_to_land_does_not_load_the_lakes_library():
    code = "import edgewright.hub.app, sys; sys.exit('deltalake' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
