"""The supervisor has old windows condensed by a child, without waiting for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from offline import Hub, counts_of, window, windows, write

from edgewright.agent.disk.spool import Spool
from edgewright.agent.supervisor import Condensing, condensing


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def settle(turns: Condensing, clock: Clock, folder: Path, segments: int) -> None:
    """Take turns, as delivery does, until the child's work was taken over."""
    until = time.monotonic() + 30
    while len(list(folder.glob("*.log"))) != segments and time.monotonic() < until:
        turns.turn()
        time.sleep(0.02)


def test_old_windows_are_condensed_while_the_hub_is_away(tmp_path: Path) -> None:
    records, clock = windows(400), Clock()
    write(tmp_path, *records)
    spool = Spool(tmp_path)
    before = spool.backlog()

    settle(Condensing(tmp_path, spool, clock), clock, tmp_path, 1)

    assert before == 400
    assert spool.backlog() < 150
    assert Hub().take_all(spool).counts() == counts_of(*records)


def test_few_windows_start_nothing_and_many_are_looked_at_once_a_minute(tmp_path: Path, monkeypatch) -> None:
    begun, clock = [], Clock()
    monkeypatch.setattr(condensing, "start_bound", lambda command, limits: begun.append(command))
    write(tmp_path, *windows(condensing.MIN_WINDOWS))
    turns = Condensing(tmp_path, Spool(tmp_path), clock)

    turns.turn()
    write(tmp_path, *(window(1000 + n, at_s=86_400 + n) for n in range(100)), name="more")
    turns.turn()
    assert begun == []
    clock.now += condensing.EVERY_S
    turns.turn()

    assert len(begun) == 1


def test_a_child_that_hangs_is_killed_and_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, clock = windows(400), Clock()
    monkeypatch.setattr(condensing, "COMMAND", ("sh", "-c", "exec sleep 100"))
    write(tmp_path, *records)
    spool = Spool(tmp_path)
    turns = Condensing(tmp_path, spool, clock)

    turns.turn()
    clock.now += condensing.MAX_RUN_S + 1
    turns.turn()

    assert spool.backlog() == 400
    assert Hub().take_all(spool).counts() == counts_of(*records)
