"""Weeks offline cost resolution, never totals: windows become hours and days, and each row counts once."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import msgspec
import offline
import pytest
from offline import START, Hub, append, counts_of, fault, report, window, windows, write
from power import Power, PowerCut, Recorder, contents, disks, lay_out

from edgewright.agent.disk.spool import Spool, Writer, condensing
from edgewright.agent.disk.spool.condensing import DAY_S, HOUR_S, plan
from edgewright.agent.serve.condense import condense, main
from edgewright.contract.errors import HostileInput
from edgewright.contract.profile import Profile, merge_payloads
from edgewright.contract.report import ProfileWindow


def condense_all(folder: Path, spool: Spool) -> int:
    """Condense until nothing is left to do; how often something was adopted."""
    return sum(1 for _ in iter(lambda: condense(folder) and spool.adopt(), False))


def waiting(spool: Spool) -> list[ProfileWindow]:
    found = [entry.record for entry in spool.pending(10**6, 10**9)]
    return sorted((one for one in found if isinstance(one, ProfileWindow)), key=lambda one: one.start)


def test_what_is_an_hour_old_becomes_hours_and_what_is_a_day_old_becomes_days() -> None:
    minutes = windows(3 * 24 * 60)

    groups = plan(minutes)

    spans = [(group[0].start - START, group[-1].end - START) for group in groups]
    days = [span for span in spans if span[1] - span[0] == DAY_S]
    hours = [span for span in spans if span[1] - span[0] == HOUR_S]
    assert days == [(0.0, DAY_S), (DAY_S, 2 * DAY_S)]
    assert [start for start, _ in hours] == [2 * DAY_S + n * HOUR_S for n in range(23)]
    assert len(spans) == len(days) + len(hours)


def test_only_windows_of_one_package_and_schema_merge() -> None:
    one, other = windows(120), windows(120, model="saw")
    third = [msgspec.structs.replace(each, id=f"next:{each.id}", counter=2) for each in one]

    groups = plan([*one, *other, *third])

    assert all(len({(each.model, each.counter) for each in group}) == 1 for group in groups)
    assert len(groups) == 3


def test_windows_with_noise_merge_among_themselves_and_say_how_many_they_were(tmp_path: Path) -> None:
    exact = windows(200)
    noisy = [msgspec.structs.replace(each, id=f"noisy:{each.id}", epsilon_milli=500, noised=1) for each in windows(200)]
    write(tmp_path, *exact, *noisy)
    spool = Spool(tmp_path)

    condense_all(tmp_path, spool)

    merged = [one for one in waiting(spool) if one.id.startswith("condensed:")]
    assert {(one.epsilon_milli, one.noised > 0) for one in merged} == {(0, False), (500, True)}
    assert sum(one.noised for one in waiting(spool)) == 200


def test_folded_windows_merge_among_themselves_and_say_how_many_they_were(tmp_path: Path) -> None:
    folded = [
        msgspec.structs.replace(each, id=f"folded:{each.id}", min_category_rows=10, folded=1) for each in windows(200)
    ]
    write(tmp_path, *windows(200), *folded)
    spool = Spool(tmp_path)

    condense_all(tmp_path, spool)

    merged = [one for one in waiting(spool) if one.id.startswith("condensed:")]
    assert {(one.min_category_rows, one.folded > 0) for one in merged} == {(0, False), (10, True)}
    assert sum(one.folded for one in waiting(spool)) == 200


def test_a_window_never_outgrows_what_the_hub_takes() -> None:
    many = [msgspec.structs.replace(each, rows=2**29) for each in windows(130)]

    assert max(sum(each.rows for each in group) for group in plan(many)) <= condensing.MAX_ROWS


def test_condensing_makes_few_windows_of_many_and_keeps_every_count(tmp_path: Path) -> None:
    records = [*windows(1800), *windows(500, model="saw"), fault("f"), report("r")]
    write(tmp_path, *records)
    spool = Spool(tmp_path)
    before = spool.backlog()

    condense_all(tmp_path, spool)

    assert before == 2302
    assert spool.backlog() < 250
    hub = Hub().take_all(Spool(tmp_path))
    assert hub.counts() == counts_of(*records)
    assert {"f", "r"} <= hub.records.keys()


def test_what_was_condensed_is_condensed_again_to_days(tmp_path: Path) -> None:
    first = windows(1600)
    write(tmp_path, *first)
    spool = Spool(tmp_path)
    condense_all(tmp_path, spool)
    hours = len(waiting(spool))
    later = [window(5000 + n, at_s=3 * DAY_S + 60 * n) for n in range(120)]
    write(tmp_path, *later, name="later")

    condense_all(tmp_path, spool)

    widths = [one.end - one.start for one in waiting(spool)]
    assert hours > 24
    assert DAY_S in widths
    assert len(widths) < hours + 120
    assert Hub().take_all(spool).counts() == counts_of(*first, *later)


def test_a_merged_windows_id_follows_from_what_it_replaces(tmp_path: Path) -> None:
    records, ids = windows(200), []
    for name in ("one", "two"):
        write(tmp_path / name, *records)
        spool = Spool(tmp_path / name)
        condense_all(tmp_path / name, spool)
        ids.append([one.id for one in waiting(spool)])

    assert ids[0] == ids[1]
    assert any(id.startswith("condensed:") for id in ids[0])


def test_windows_that_were_sent_without_an_answer_go_again_as_they_are(tmp_path: Path) -> None:
    records = windows(300)
    write(tmp_path, *records)
    hub = Hub()
    doubted = [entry.record.id for entry in hub.take(Spool(tmp_path), limit=290, answers=False)]

    spool = Spool(tmp_path)
    assert not condense(tmp_path)
    write(tmp_path, *(window(1000 + n, at_s=DAY_S + 60 * n) for n in range(200)), name="later")
    condense_all(tmp_path, spool)

    left = {one.id for one in waiting(Spool(tmp_path))}
    assert set(doubted) <= left
    later = [window(1000 + n, at_s=DAY_S + 60 * n) for n in range(200)]
    assert sum(one.rows for one in hub.take_all(spool).records.values()) == sum(one.rows for one in [*records, *later])


def test_where_the_note_of_what_was_sent_is_damaged_all_may_have_been_sent(tmp_path: Path) -> None:
    records = windows(300)
    write(tmp_path, *records)
    hub = Hub()
    hub.take(Spool(tmp_path), limit=50, answers=False)
    (tmp_path / "fates.bin").write_bytes(b"\xff" * 30)

    assert not condense(tmp_path)
    spool = Spool(tmp_path)
    spool.acknowledge([])
    assert not condense(tmp_path)
    assert hub.take_all(spool).counts() == counts_of(*records)


@pytest.mark.parametrize("between", ["sending", "acknowledging", "deleting"])
def test_what_was_condensed_is_thrown_away_if_anything_was_sent_meanwhile(tmp_path: Path, between: str) -> None:
    records = windows(300)
    write(tmp_path, *records)
    spool, hub = Spool(tmp_path), Hub()
    condense(tmp_path)

    hub.take(spool, limit=500 if between == "deleting" else 20, answers=between != "sending")

    assert not spool.adopt()
    assert not (tmp_path / condensing.NEW).exists()
    assert hub.take_all(spool).counts() == counts_of(*records)


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_result_that_is_not_whole_is_not_adopted(tmp_path: Path, damage: bytes | None) -> None:
    records = windows(300)
    write(tmp_path, *records)
    spool = Spool(tmp_path)
    condense(tmp_path)
    path = tmp_path / condensing.NEW
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)

    assert not spool.adopt()
    assert Hub().take_all(spool).counts() == counts_of(*records)


def test_segments_that_are_being_written_are_left_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "app")
    for one in windows(100):
        writer.append(one)

    assert not condense(tmp_path)


def test_a_window_that_cannot_be_read_stays_with_those_of_its_hour(tmp_path: Path) -> None:
    records = windows(180)
    records[5] = msgspec.structs.replace(records[5], payload=b"\x01junk")
    write(tmp_path, *records)
    spool = Spool(tmp_path)

    condense(tmp_path)
    spool.adopt()

    ids = {one.id for one in waiting(spool)}
    assert {one.id for one in records[:60]} <= ids
    assert len(ids) < 180


def test_payloads_merge_without_their_schema_and_only_if_they_add_up() -> None:
    one, two = windows(2)
    together = merge_payloads([one.payload, two.payload], 6)
    schema = offline.SCHEMAS["press"]
    wanted = Profile.from_bytes(schema, one.payload)
    wanted.merge(Profile.from_bytes(schema, two.payload))

    assert together == wanted.to_bytes()
    with pytest.raises(HostileInput, match="count 6 rows, not 7"):
        merge_payloads([one.payload, two.payload], 7)
    with pytest.raises(HostileInput, match="no profile"):
        merge_payloads([one.payload, b""], 3)


def test_the_child_says_whether_there_was_anything_to_do(tmp_path: Path) -> None:
    assert main(["--spool", str(tmp_path)]) == 1
    write(tmp_path, *windows(200))

    assert main(["--spool", str(tmp_path)]) == 0
    assert (tmp_path / condensing.NEW).exists()


def live(root: Path, hub: Hub, before=lambda: None) -> None:
    """Everything that a spool does: sent with and without an answer, condensed twice, acknowledged, deleted."""
    spool = Spool(root)
    hub.take(spool, limit=8, before=before)
    hub.take(spool, limit=3, answers=False, before=before)
    condense(root)
    spool.adopt()
    append(root, *LATER, name="later")
    hub.take(spool, limit=2, before=before)
    condense(root)
    spool.adopt()
    hub.take(spool, limit=500, before=before)


EARLIER = windows(70, every_s=300.0)
LATER = [window(900 + n, at_s=3 * DAY_S + 300.0 * n, width_s=300.0) for n in range(30)]


@pytest.mark.e2e
def test_a_power_cut_at_any_operation_counts_no_row_twice(tmp_path: Path) -> None:
    write(tmp_path / "whole", *EARLIER, segment_bytes=6000)
    cuts = 0
    for cut in itertools.count():
        root, hub = tmp_path / f"cut{cut}", Hub()
        lay_out(root, {str(root / Path(p).name): d for p, d in contents(tmp_path / "whole").items()}, iter(()))
        try:
            with Power(root, cut):
                live(root, hub)
        except PowerCut:
            cuts += 1
        else:
            break

        check(root, hub)

    assert cuts > 60


@pytest.mark.parametrize(
    ("every", "times"),
    [(5, 1), pytest.param(1, 8, marks=pytest.mark.e2e), pytest.param(1, 160, marks=pytest.mark.slow)],
    ids=["some", "most", "all"],
)
def test_no_order_in_which_the_disk_keeps_things_counts_a_row_twice(tmp_path: Path, every: int, times: int) -> None:
    root, hub, seen, chance = tmp_path / "spool", Hub(), [], random.Random(1)
    write(root, *EARLIER, segment_bytes=6000)
    before = contents(root)
    with Recorder(root) as recorder:
        live(root, hub, before=lambda: seen.append((len(recorder.operations), len(hub.order))))
    seen.append((len(recorder.operations) + 1, len(hub.order)))

    ends = [at for at, said in enumerate(recorder.operations) if said[0] == "rename" and "/condensed." in said[2]]
    close = [end + after for end in ends for after in range(7)] * times  # where the one takes the others' place
    for state, cut in enumerate([*range(0, len(recorder.operations) + 1, every), *close]):
        there = tmp_path / f"state{state}"
        disk = disks(recorder.operations, before, cut, chance)
        lay_out(there, {str(there / Path(path).name): data for path, data in disk.items()}, iter([str(there)]))
        arrived = Hub()
        arrived.order = hub.order[: next(count for at, count in seen if cut < at)]
        arrived.records = {one.id: one for one in arrived.order}
        check(there, arrived)
        assert list(there.glob("*.log")) == []


def check(root: Path, hub: Hub) -> None:
    """Boot, condense, send all: no row counts twice, and none that was there before is lost."""
    with Recorder(root):  # which spares the disk the syncs
        spool = Spool(root)
        condense_all(root, spool)
        hub.take_all(spool)
    slots, earlier, most = hub.counts()["press"], counts_of(*EARLIER)["press"], counts_of(*EARLIER, *LATER)["press"]
    assert all(low <= found <= high for low, found, high in zip(earlier, slots, most, strict=True))
    assert (slots[-1] - earlier[-1]) % 3 == 0
