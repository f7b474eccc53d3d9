"""The spool loses nothing that was appended, forgets nothing that was acknowledged, and never fails on damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.agent.disk.spool import Spool, SpoolFull, Writer
from edgewright.contract.report import Fault, InstallReport, Outcome, ProfileWindow, Record


def fault(id: str, message: str = "m") -> Fault:
    return Fault(id=id, at=1.0, code="c", message=message)


def report(id: str) -> InstallReport:
    return InstallReport(id=id, at=1.0, deployment="d", model="m", counter=1, outcome=Outcome.COMMITTED, step="commit")


def window(id: str, payload: bytes = b"p" * 100) -> ProfileWindow:
    return ProfileWindow(
        id=id, model="m", version=1, counter=1, schema_sha256="", start=0.0, end=1.0, rows=1, payload=payload
    )


def write(folder: Path, *records: Record, name: str = "app") -> Path:
    writer = Writer(folder, name)
    for record in records:
        writer.append(record)
    writer.close()
    return max(folder.glob(f"{name}.*.log"))


def ids(spool: Spool, limit: int = 1000, max_bytes: int = 10**9) -> list[str]:
    return [entry.record.id for entry in spool.pending(limit, max_bytes)]


def test_what_was_appended_waits_in_order_of_its_worth(tmp_path: Path) -> None:
    write(tmp_path, fault("1"), window("2"), fault("3"))

    spool = Spool(tmp_path)

    assert ids(spool) == ["1", "3", "2"]
    assert spool.pending(1, 10**6)[0].record == fault("1")
    assert spool.backlog() == 3


def test_install_reports_go_first(tmp_path: Path) -> None:
    write(tmp_path, window("w"), report("r"))

    assert ids(Spool(tmp_path)) == ["r", "w"]


def test_a_batch_keeps_its_limits_but_never_starves(tmp_path: Path) -> None:
    write(tmp_path, *(window(str(n)) for n in range(5)))

    spool = Spool(tmp_path)

    assert ids(spool, limit=2) == ["0", "1"]
    assert ids(spool, max_bytes=1) == ["0"]


def test_a_tail_torn_at_any_byte_costs_only_the_torn_record(tmp_path: Path) -> None:
    path = write(tmp_path, fault("1"), fault("2"))
    whole = path.read_bytes()
    first = whole.index(b"\xe5EW1", 1)

    for length in range(len(whole)):
        path.write_bytes(whole[:length])

        assert ids(Spool(tmp_path)) == (["1"] if length >= first else [])


def test_a_record_that_was_torn_is_seen_once_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, fault("1"), fault("2"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    spool = Spool(tmp_path)

    before = ids(spool)
    path.write_bytes(whole)

    assert before == ["1"]
    assert ids(spool) == ["1", "2"]


def test_damage_to_any_byte_of_a_record_costs_only_that_record(tmp_path: Path) -> None:
    path = write(tmp_path, fault("1"), fault("2"), fault("3"))
    whole = path.read_bytes()
    size = len(whole) // 3

    for at in range(size, 2 * size):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)

        assert ids(Spool(tmp_path)) == ["1", "3"]


def test_a_segment_that_cannot_be_read_keeps_nobody_waiting_and_is_not_deleted(tmp_path: Path) -> None:
    path = write(tmp_path, fault("1"))
    write(tmp_path, fault("2"), name="other")
    spool, data = Spool(tmp_path), path.read_bytes()
    path.unlink()
    path.mkdir()  # reading it fails as a broken sector does

    found = ids(spool)
    spool.acknowledge(found)
    path.rmdir()
    path.write_bytes(data)

    assert found == ["2"]
    assert ids(spool) == ["1"]


def test_where_the_folder_cannot_be_made_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("edgewright.agent.disk.durable.make_folder", refuse)

    assert Spool(tmp_path / "spool").backlog() == 0


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=300))
def test_junk_is_never_fatal(junk: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("spool")
    path = write(folder, fault("1"))
    path.write_bytes(junk + path.read_bytes() + junk)

    assert ids(Spool(folder)) == ["1"]


def test_acknowledged_records_stay_forgotten_after_a_restart(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app")
    for n in range(4):
        writer.append(fault(str(n)))
    spool = Spool(tmp_path)
    spool.pending(10, 10**6)

    spool.acknowledge(["0", "2", "never heard of"])

    assert ids(spool) == ["1", "3"]
    assert ids(Spool(tmp_path)) == ["1", "3"]


def test_a_damaged_list_of_what_was_acknowledged_sends_again(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app")
    writer.append(fault("1"))
    spool = Spool(tmp_path)
    spool.pending(10, 10**6)
    spool.acknowledge(["1"])

    (tmp_path / "fates.bin").write_bytes(b"\x00" * 40)

    assert ids(Spool(tmp_path)) == ["1"]


def test_a_finished_segment_is_deleted_once_its_writer_has_gone(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app")
    writer.append(fault("1"))
    spool = Spool(tmp_path)
    spool.pending(10, 10**6)

    spool.acknowledge(["1"])
    while_open = list(tmp_path.glob("*.log"))
    writer.close()
    spool.acknowledge([])

    assert len(while_open) == 1
    assert list(tmp_path.glob("*.log")) == []


def test_a_writer_goes_on_after_its_segments_were_deleted(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app", max_bytes=2000)
    spool = Spool(tmp_path)

    for n in range(200):
        writer.append(window(str(n)))
        assert ids(spool) == [str(n)]
        spool.acknowledge([str(n)])

    assert len(list(tmp_path.glob("*.log"))) <= 1


def test_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    one, two = Writer(tmp_path, "one"), Writer(tmp_path, "two")

    for n in range(3):
        one.append(fault(f"one:{n}"))
        two.append(fault(f"two:{n}"))

    assert sorted(ids(Spool(tmp_path))) == ["one:0", "one:1", "one:2", "two:0", "two:1", "two:2"]


def test_a_restarted_writer_of_the_same_name_never_appends_to_a_torn_segment(tmp_path: Path) -> None:
    path = write(tmp_path, fault("1"), fault("2"))
    path.write_bytes(path.read_bytes()[:-1])

    write(tmp_path, fault("3"))

    assert ids(Spool(tmp_path)) == ["1", "3"]


def test_a_forked_child_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app")
    writer.append(fault("parent"))

    child = os.fork()
    if child == 0:
        writer.append(fault("child"))
        os._exit(0)
    os.waitpid(child, 0)
    writer.append(fault("parent again"))

    assert sorted(ids(Spool(tmp_path))) == ["child", "parent", "parent again"]
    assert len(list(tmp_path.glob("*.log"))) == 2


def test_at_the_bound_profiles_are_refused_and_install_reports_are_not(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app", max_bytes=1000)
    writer.append(window("1", b"p" * 700))

    with pytest.raises(SpoolFull):
        writer.append(window("2", b"p" * 700))
    writer.append(report("3"))

    assert ids(Spool(tmp_path)) == ["3", "1"]


def test_room_comes_back_when_records_are_acknowledged(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app", max_bytes=1000)
    writer.append(window("1", b"p" * 700))
    with pytest.raises(SpoolFull):
        writer.append(window("2", b"p" * 700))
    spool = Spool(tmp_path)
    spool.pending(10, 10**6)

    spool.acknowledge(["1"])
    writer.append(window("2", b"p" * 700))

    assert ids(spool) == ["2"]
