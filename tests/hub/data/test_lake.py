"""Samples reach the lake exactly once, whatever is cut off, and leave it without a trace."""

import httpx
import numpy as np
import obstore
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, QueryBuilder
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from edgewright.contract import arrays
from edgewright.contract.api import LabelDraft
from edgewright.contract.report import Sample
from edgewright.hub.data import Data, table
from edgewright.hub.data.lake import Lake, LakeTable, Mover
from edgewright.hub.data.lake.mover import day_of
from edgewright.hub.data.lake.tables import Partition

pytestmark = pytest.mark.e2e  # each commit of the lake takes its time

DAY = 86_400.0


class PowerCut(Exception):
    pass


def sample(number, *, model="m", at=0.0, about="nobody"):
    return Sample(
        id=f"s{number}",
        request="r1",
        model=model,
        version=1,
        at=at,
        reference=f"{about}-{number}/x",
        chosen_as="reservoir",
        uncertainty=0.5,
        inputs=arrays.encode({"x": np.array([f"{about} {number} of {model}"], object)}),
        outputs=b"out",
        subject=f"{about}-key-{number}",
        groups={"site": "berlin"},
    )


@pytest.fixture
def data(db, events, audit, clock, blobs):
    return Data(db, events, audit, clock, blobs)


@pytest.fixture
def lake(tmp_path):
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def mover(db, lake, blobs):
    return Mover(db, lake, blobs.path)


def take_in(db, data, *samples):
    with db.write() as connection:
        data.add_samples(connection, "dev", samples)


def rows(lake, kind):
    found = QueryBuilder().register("found", DeltaTable(f"{lake.url}/{kind}")).execute("SELECT * FROM found").read_all()
    columns = {name: found.column(name).to_pylist() for name in found.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def ids(lake):
    return sorted(row["id"] for row in rows(lake, LakeTable.SAMPLES))


def waiting(db):
    with db.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table.lake_row))


def test_samples_and_labels_land_with_all_that_is_known_of_them(db, data, lake, mover, ana):
    take_in(db, data, sample(1, at=3.0), sample(2, at=DAY + 3.0))
    data.label(ana, [LabelDraft(sample="dev:s1", label=4)])

    moved = mover.move()

    assert moved == 3
    first = next(row for row in rows(lake, LakeTable.SAMPLES) if row["id"] == "dev:s1")
    assert (first["day"], first["groups"], first["outputs"]) == ("1970-01-01", '{"site":"berlin"}', b"out")
    assert arrays.decode(first["inputs"])["x"].tolist() == ["nobody 1 of m"]
    assert [(row["sample"], row["label"], row["by"]) for row in rows(lake, LakeTable.LABELS)] == [("dev:s1", 4, "ana")]
    assert waiting(db) == 0


@pytest.mark.parametrize("at", [1e300, 1e13, -1e12, -1e300, float("nan")])
def test_every_moment_has_a_day(at):
    assert day_of(at) in ("0001-01-01", "9999-12-31")


def test_partitions_are_folders_of_model_and_day(db, data, mover, tmp_path):
    take_in(db, data, sample(1, at=3.0), sample(2, model="n", at=DAY + 3.0))

    mover.move()

    folders = {str(path.parent.relative_to(tmp_path / "lake")) for path in tmp_path.rglob("*.parquet")}
    assert folders == {"samples/model=m/day=1970-01-01", "samples/model=n/day=1970-01-02"}


@pytest.mark.parametrize("act", ["landed", "append", "append, then cut", "delete from the outbox"])
def test_a_power_cut_at_any_step_loses_no_row_and_doubles_none(act, db, data, lake, mover, monkeypatch):
    take_in(db, data, sample(1), sample(2))
    mover.move()
    take_in(db, data, sample(3), sample(4))
    cut_power(act, lake, db, monkeypatch)

    with pytest.raises(PowerCut):
        mover.move()
    monkeypatch.undo()
    take_in(db, data, sample(5))
    Mover(db, Lake(lake.url), mover._path_of).move()

    assert ids(lake) == [f"dev:s{number}" for number in range(1, 6)]
    assert waiting(db) == 0


def cut_power(act, lake, db, monkeypatch):
    def cut(*args, **options):
        raise PowerCut

    match act:
        case "landed" | "append":
            monkeypatch.setattr(lake, act, cut)
        case "append, then cut":
            append = lake.append
            monkeypatch.setattr(lake, "append", lambda *args: (append(*args), cut()))
        case _:
            monkeypatch.setattr(db, "write", cut)


def test_numbers_are_never_given_twice(db, data, lake, mover):
    take_in(db, data, sample(1))
    mover.move()
    take_in(db, data, sample(2))

    mover.move()

    assert ids(lake) == ["dev:s1", "dev:s2"]


def test_what_is_deleted_leaves_no_byte_in_any_file(db, data, lake, mover, tmp_path, ana):
    take_in(db, data, sample(1, about="ADAM"), sample(2, about="EVE"), sample(3, about="EVE", at=DAY))
    data.label(ana, [LabelDraft(sample=f"dev:s{number}", label=1) for number in (1, 2)])
    mover.move()

    gone = {Partition("m", "1970-01-01"): ["dev:s1"]}
    deleted, again = lake.delete(gone), lake.delete(gone)

    assert (deleted, again) == (2, 0)
    assert ids(lake) == ["dev:s2", "dev:s3"]
    held = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert b"ADAM" not in held
    assert b"dev:s1" not in held
    assert b"EVE" in held


def test_rows_keep_their_place_in_the_line_after_a_deletion(db, data, lake, mover):
    take_in(db, data, sample(1), sample(2))
    mover.move()
    lake.delete({Partition("m", "1970-01-01"): ["dev:s1", "dev:s2"]})
    take_in(db, data, sample(3))

    mover.move()

    assert ids(lake) == ["dev:s3"]


def test_small_files_are_joined(db, data, lake, mover):
    for number in range(4):
        take_in(db, data, sample(number))
        mover.move()

    lake.tidy()

    told = next(table for table in lake.describe() if table.table == "samples")
    assert (told.files, told.rows) == (1, 4)


@pytest.fixture
def bucket(monkeypatch):
    """An S3 in this process: a library that held every thread while it asks would wait for ever."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    config = {"endpoint": endpoint, "region": "us-east-1"}
    httpx.put(f"{endpoint}/fleet").raise_for_status()
    yield S3Store("fleet", config=config, client_options={"allow_http": True})
    server.stop()


def test_in_s3_too_rows_land_once_and_leave_no_byte(bucket, db, data, blobs):
    options = {"AWS_ENDPOINT_URL": bucket.config["endpoint"], "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
    lake = Lake("s3://fleet/hub/lake", options)
    mover = Mover(db, lake, blobs.path)
    for number, name in ((1, "ADAM"), (2, "EVE")):
        take_in(db, data, sample(number, about=name))
        mover.move()

    deleted = lake.delete({Partition("m", "1970-01-01"): ["dev:s1"]})

    files = [bytes(obstore.get(bucket, item["path"]).bytes()) for part in obstore.list(bucket) for item in part]
    assert deleted == 1
    assert next(table.rows for table in lake.describe() if table.table == "samples") == 1
    assert not any(b"ADAM" in body for body in files)
    assert any(b"EVE" in body for body in files)
