"""What is worth most goes first, and what is worth least gives way, counted, where there is no room."""

from __future__ import annotations

from pathlib import Path

import pytest
from offline import START, Hub, counts_of, fault, report, sample, window, write

from edgewright.agent.disk.spool import Spool
from edgewright.agent.disk.spool.segments import MAX_SEGMENTS, total_bytes
from edgewright.agent.disk.spool.worth import FRESH_S
from edgewright.agent.serve.condense import condense
from edgewright.contract.report import Fault, InstallReport, ProfileWindow, Sample

DAY_S = 86_400.0


def ids(spool: Spool) -> list[str]:
    return [entry.record.id for entry in spool.pending(10**6, 10**9)]


def test_reports_go_before_faults_these_before_windows_and_those_before_samples(tmp_path: Path) -> None:
    write(tmp_path, sample("s"), window(1, at_s=0), fault("f"), report("r"))

    assert ids(Spool(tmp_path)) == ["r", "f", "press:1", "s"]


def test_the_freshest_windows_go_first_and_those_past_a_day_last(tmp_path: Path) -> None:
    write(tmp_path, *(window(n, at_s=n * FRESH_S / 4) for n in range(8)))

    assert ids(Spool(tmp_path)) == [f"press:{n}" for n in reversed(range(8))]


def test_models_take_turns_and_no_models_old_windows_go_before_anothers_fresh_ones(tmp_path: Path) -> None:
    busy = [window(n, at_s=2 * DAY_S + 60 * n) for n in range(4)]
    calm = [window(0, at_s=2 * DAY_S, model="saw"), window(1, at_s=0, model="saw")]
    write(tmp_path, *calm, *busy)

    assert ids(Spool(tmp_path)) == ["press:3", "saw:0", "press:2", "press:1", "press:0", "saw:1"]


def test_what_was_sent_without_an_answer_goes_again_before_others_of_its_kind(tmp_path: Path) -> None:
    write(tmp_path, *(window(n, at_s=60 * n) for n in range(3)))
    Hub().take(Spool(tmp_path), limit=1, answers=False)
    write(tmp_path, window(7, at_s=600), fault("f"), name="later")

    assert ids(Spool(tmp_path))[:3] == ["f", "press:2", "press:7"]


def fill(folder: Path) -> list[str]:
    """Reports, faults and windows, about 10 kB, in segments of 2 kB; and as many samples, about 25 kB."""
    windows = [window(n, at_s=n * 60) for n in range(40)]
    write(folder, report("r"), fault("f"), name="first")
    write(folder, *windows, name="windows", segment_bytes=2000)
    write(folder, *(sample(f"s{n:02}", n, 400) for n in range(40)), segment_bytes=2000)
    return ["r", "f", *(one.id for one in windows)]


def test_old_samples_give_way_before_anything_else_and_no_more_than_need_be(tmp_path: Path) -> None:
    kept = fill(tmp_path)
    spool = Spool(tmp_path, max_bytes=total_bytes(tmp_path) - 5000)

    spool.shed()

    left = ids(Spool(tmp_path))
    samples = sorted(id for id in left if len(id) == 3)
    assert set(kept) <= set(left)
    assert 0 < len(samples) < 40
    assert samples == [f"s{n:02}" for n in range(40 - len(samples), 40)]


def test_then_windows_give_way_the_oldest_first_and_never_a_report_or_a_fault(tmp_path: Path) -> None:
    fill(tmp_path)
    spool = Spool(tmp_path, max_bytes=6000)

    spool.shed()

    left = ids(Spool(tmp_path))
    windows = [int(id.partition(":")[2]) for id in left if id.startswith("press:")]
    assert {"r", "f"} <= set(left)
    assert 0 < len(windows) < 40
    assert sorted(windows) == list(range(40 - len(windows), 40))


def test_what_gave_way_is_counted_and_told_as_one_fault_until_the_hub_has_it(tmp_path: Path) -> None:
    fill(tmp_path)
    Spool(tmp_path, max_bytes=12_000, clock=lambda: START).shed()
    again, hub = Spool(tmp_path, max_bytes=2000, clock=lambda: START + 60), Hub()
    again.shed()
    left = [entry.record for entry in again.pending(10**6, 10**9)]

    hub.take(again, answers=False)
    hub.take_all(Spool(tmp_path))

    told = [one for one in hub.records.values() if isinstance(one, Fault) and one.code == "spool_dropped"]
    windows = 40 - sum(isinstance(one, ProfileWindow) for one in left)
    samples = 40 - sum(isinstance(one, Sample) for one in left)
    assert [one.message for one in told] == [
        f"the spool was full: {samples} samples and {windows} profile windows of {3 * windows} rows have given way"
    ]
    assert windows > 0
    assert isinstance(left[0], InstallReport)
    assert ids(Spool(tmp_path)) == []


def test_an_app_that_fails_at_every_start_takes_no_more_than_its_share_from_everybody_else(tmp_path: Path) -> None:
    kept = fill(tmp_path)
    bound = 2 * total_bytes(tmp_path)
    for n in range(1500):
        write(tmp_path, fault(f"start {n:04}"), name=f"app-{n}")

    Spool(tmp_path, max_bytes=bound).shed()

    left = ids(Spool(tmp_path))
    starts = sorted(id for id in left if id.startswith("start"))
    assert {*kept, *(f"s{n:02}" for n in range(40))} < set(left)
    assert 0 < len(starts) < 1500
    assert total_bytes(tmp_path) <= bound


def test_a_spool_is_bound_in_files_too(tmp_path: Path) -> None:
    for n in range(20):
        write(tmp_path, fault(f"start {n:04}"), name=f"app-{n}")

    assert total_bytes(tmp_path, 1000 * MAX_SEGMENTS) == 20 * 1000


def test_a_spool_with_room_gives_nothing_up(tmp_path: Path) -> None:
    kept = fill(tmp_path)

    Spool(tmp_path).shed()

    assert set(kept) < set(ids(Spool(tmp_path)))
    assert not (tmp_path / "fates.bin").exists()


class FullDisk:
    """Takes no new content; names may still change, unless it is read-only too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_read_only: bool = False) -> None:
        self._patch = monkeypatch
        self._names = ("os.rename",) if is_read_only else ()

    def __enter__(self) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        for name in ("edgewright.agent.disk.durable.write", *self._names):
            self._patch.setattr(name, refuse)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def test_a_full_disk_is_made_room_on_by_what_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *(window(n, at_s=60 * n) for n in range(4)))
    spool = Spool(tmp_path)
    entries = spool.pending(10, 10**6)

    with FullDisk(monkeypatch):
        leaving = spool.sending(entries)
        with pytest.raises(OSError, match="No space"):
            spool.acknowledge([entry.record.id for entry in entries])

    assert leaving == entries
    assert list(tmp_path.glob("*.log")) == []
    assert spool.backlog() == 0


def test_what_was_sent_from_a_full_disk_is_never_merged_not_even_after_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [window(n, at_s=60 * n) for n in range(300)]
    write(tmp_path, *records)
    spool, hub = Spool(tmp_path), Hub()
    hub.take(spool, limit=20)

    with FullDisk(monkeypatch):
        hub.take(spool, limit=20, answers=False)

    assert not condense(tmp_path)
    again = Spool(tmp_path)
    assert again.backlog() == 280
    hub.take_all(again)
    assert hub.counts() == counts_of(*records)
    assert not (tmp_path / "doubted.bin").exists()


def test_from_a_disk_that_takes_no_note_no_window_leaves_but_all_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, window(1, at_s=0), report("r"), fault("f"))
    spool = Spool(tmp_path)

    with FullDisk(monkeypatch, is_read_only=True):
        leaving = spool.sending(spool.pending(10, 10**6))

    assert [entry.record.id for entry in leaving] == ["r", "f"]
