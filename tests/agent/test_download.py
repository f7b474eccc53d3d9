"""One blob's way to the disk over pauses, breaks, restarts and torn ends."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from device import Shelf

from edgewright.agent.install import download
from edgewright.agent.install.download import MAX_SPOILT, Downloads, Spoilt
from edgewright.contract.errors import HostileInput, Unreachable

SIZE = 10_000


@pytest.fixture
def shelf(monkeypatch) -> Shelf:
    monkeypatch.setattr(download, "SYNC_BYTES", 4096)
    return Shelf()


@pytest.fixture
def blob(shelf) -> str:
    return shelf.add(bytes(range(250)) * (SIZE // 250))


def broken_off(folder, shelf, blob, after: int) -> None:
    """What a process leaves whose line broke."""
    shelf.breaks_after = after
    with pytest.raises(Unreachable):
        Downloads(folder, shelf, lambda: False).bring(blob, SIZE)
    shelf.breaks_after = None


def until_whole(downloads: Downloads, blob: str) -> Path:
    while True:
        with contextlib.suppress(Spoilt):
            if (path := downloads.bring(blob, SIZE)) is not None:
                return path


def test_a_process_goes_on_where_the_one_before_it_stood(tmp_path, shelf, blob):
    broken_off(tmp_path, shelf, blob, 5600)

    path = Downloads(tmp_path, shelf, lambda: False).bring(blob, SIZE)

    assert path.read_bytes() == shelf.blobs[blob]
    assert shelf.asked[-1] == (blob, 5600)


def test_a_torn_end_costs_what_was_not_synced_and_no_more(tmp_path, shelf, blob):
    broken_off(tmp_path, shelf, blob, 5600)
    part = tmp_path / f"{blob}.part"
    part.write_bytes(part.read_bytes()[:5000] + bytes(600))
    downloads = Downloads(tmp_path, shelf, lambda: False)

    first, second = downloads.bring(blob, SIZE), downloads.bring(blob, SIZE)

    assert first is None
    assert second.read_bytes() == shelf.blobs[blob]
    assert shelf.asked[-1] == (blob, 4096)


def test_a_part_that_is_rotten_throughout_is_given_up(tmp_path, shelf, blob):
    broken_off(tmp_path, shelf, blob, 5600)
    (tmp_path / f"{blob}.part").write_bytes(bytes(5600))
    downloads = Downloads(tmp_path, shelf, lambda: False)

    path = until_whole(downloads, blob)

    assert path.read_bytes() == shelf.blobs[blob]
    assert [offset for _, offset in shelf.asked[1:]] == [5600, 4096, 0]


def test_a_liar_is_asked_a_few_times_and_then_told_as_one(tmp_path, shelf, blob):
    broken_off(tmp_path, shelf, blob, 5600)
    shelf.blobs[blob] = bytes(SIZE)
    downloads = Downloads(tmp_path, shelf, lambda: False)

    with pytest.raises(HostileInput, match="other bytes"):
        until_whole(downloads, blob)

    assert [offset for _, offset in shelf.asked].count(0) == MAX_SPOILT + 2  # once for what was picked up
    assert list(tmp_path.iterdir()) == []


def test_a_pause_costs_no_byte_and_no_second_hashing(tmp_path, shelf, blob):
    downloads = Downloads(tmp_path, shelf, lambda: True)

    path = until_whole(downloads, blob)

    assert path.read_bytes() == shelf.blobs[blob]
    assert [offset for _, offset in shelf.asked] == list(range(0, SIZE, 700))
    assert downloads.take_received() == SIZE


def test_a_part_that_is_longer_than_the_blob_is_none(tmp_path, shelf, blob):
    (tmp_path / f"{blob}.part").write_bytes(bytes(SIZE + 1))

    path = Downloads(tmp_path, shelf, lambda: False).bring(blob, SIZE)

    assert path.read_bytes() == shelf.blobs[blob]


def test_a_liar_that_is_paused_is_asked_for_the_whole_no_more_often(tmp_path, shelf, blob):
    shelf.blobs[blob] = bytes(SIZE)
    downloads = Downloads(tmp_path, shelf, lambda: True)

    with pytest.raises(HostileInput, match="other bytes"):
        until_whole(downloads, blob)

    assert [offset for _, offset in shelf.asked].count(0) == MAX_SPOILT + 1
