"""The keeper's loop over parts, what wakes it, and what it gives back."""

from __future__ import annotations

import math
import mmap
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from edgewright.agent.link import Chance
from edgewright.agent.supervisor import Keeper
from edgewright.agent.supervisor.inbox import Inbox
from edgewright.agent.system import Bell, Child, Limits, Stop
from edgewright.agent.system.memory import clean_mappings, give_back

PATIENCE_S = 10.0


class Counting:
    """A part that counts its turns, and rings `stop` after so many."""

    def __init__(self, stop: Stop, until: int, due_s: float = math.inf) -> None:
        self.bell = Bell()
        self.turns = 0
        self.is_closed = False
        self._stop, self._until, self._due_s = stop, until, due_s

    def waits_on(self) -> Iterable[int]:
        return (self.bell.fileno(),)

    def turn(self) -> float:
        self.bell.hush()
        self.turns += 1
        if self.turns >= self._until:
            self._stop.request()
        return self._due_s

    def close(self) -> None:
        self.is_closed = True


class Broken(Counting):
    def __init__(self, stop: Stop, what: str) -> None:
        super().__init__(stop, until=1000)
        self._what = what
        self.tries = 0

    def _do(self, what: str) -> None:
        if what == self._what:
            self.tries += 1
            raise RuntimeError("it is broken")

    def waits_on(self) -> Iterable[int]:
        self._do("waits_on")
        return super().waits_on()

    def turn(self) -> float:
        self._do("turn")
        return math.inf

    def close(self) -> None:
        super().close()
        self._do("close")


def kept(stop: Stop, *parts: Counting) -> Keeper:
    return Keeper(parts, stop, time.monotonic, Chance(uniform=lambda low, high: high))


def test_a_part_gets_its_turn_when_it_is_due():
    stop = Stop()
    part = Counting(stop, until=3, due_s=0.01)

    kept(stop, part).run()

    assert (part.turns, part.is_closed) == (3, True)


def test_a_part_gets_its_turn_when_it_can_read():
    stop = Stop()
    part = Counting(stop, until=2)
    ringing = threading.Timer(0.05, part.bell.ring)
    ringing.start()

    kept(stop, part).run()

    assert part.turns == 2


@pytest.mark.parametrize("what", ["turn", "waits_on", "close"])
def test_a_broken_part_takes_no_other_down_and_is_left_alone_for_longer_and_longer(what):
    stop = Stop()
    broken, part = Broken(stop, what), Counting(stop, until=40, due_s=0.002)

    kept(stop, broken, part).run()

    assert part.turns == 40
    assert broken.tries == 1  # its next turn is seconds away
    assert broken.is_closed


def test_a_keeper_without_parts_ends_with_the_stop():
    stop = Stop()
    threading.Timer(0.05, stop.request).start()

    kept(stop).run()

    assert stop.is_requested


def test_a_stop_ends_the_waits_of_all_threads():
    stop = Stop()
    threads = [threading.Thread(target=stop.wait, args=(PATIENCE_S,)) for _ in range(3)]
    for thread in threads:
        thread.start()

    began = time.monotonic()
    stop.request()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert time.monotonic() - began < 1.0
    assert stop.wait(math.inf)


def test_a_bell_wakes_until_it_is_hushed():
    stop, bell = Stop(), Bell()
    bell.ring()
    bell.ring()

    began = time.monotonic()
    stop.wait(PATIENCE_S, [bell.fileno()])
    assert (bell.is_rung, time.monotonic() - began < 1.0) == (True, True)
    bell.hush()
    stop.wait(0.02, [bell.fileno()])

    assert not bell.is_rung
    assert time.monotonic() - began >= 0.02
    bell.close()


def test_deeds_are_done_in_order_on_the_thread_that_looks():
    bell, done = Bell(), []
    inbox: Inbox[list[int]] = Inbox(bell)

    first = inbox.ask(lambda doer: doer.append(1))
    failing = inbox.ask(lambda _: 1 // 0)
    cancelled = inbox.ask(lambda doer: doer.append(9))
    cancelled.cancel()
    last = inbox.ask(lambda doer: threading.current_thread().name)
    assert bell.is_rung
    assert not first.done()
    inbox.do_all(done)

    assert (done, first.result()) == ([1], None)
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert last.result() == threading.current_thread().name


def test_a_child_wakes_who_waits_when_it_speaks_and_when_it_ends():
    stop = Stop()
    child = Child(["sh", "-c", "echo here; exec >&-; sleep 0.1; exit 3"], limits=Limits())
    said, began = b"", time.monotonic()

    while child.code() is None and time.monotonic() - began < PATIENCE_S:
        stop.wait(PATIENCE_S, child.waits_on())
        said += child.read()

    assert (said, child.code()) == (b"here\n", 3)
    assert time.monotonic() - began < PATIENCE_S / 2
    child.kill()
    assert child.waits_on() == ()


def test_what_is_given_back_comes_again_when_it_is_read(tmp_path: Path):
    (tmp_path / "data").write_bytes(b"0123456789" * 100_000)
    with (tmp_path / "data").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        before = bytes(data)

        give_back()

        assert bytes(data) == before


def test_mappings_that_were_written_to_are_kept(tmp_path: Path):
    (tmp_path / "smaps").write_text(
        "1000-3000 r-xp 00000000 00:00 1 /lib/code.so\nRss: 8 kB\nAnonymous: 0 kB\nVmFlags: rd ex\n"
        "3000-4000 r--p 00000000 00:00 1 /lib/filled in.so\nRss: 4 kB\nAnonymous: 4 kB\n"
        "4000-5000 rw-p 00000000 00:00 1 /lib/data.so\nAnonymous: 0 kB\n"
        "5000-6000 r--s 00000000 00:00 1 /shared\nAnonymous: 0 kB\n"
        "6000-7000 r--p 00000000 00:00 0\nAnonymous: 0 kB\n"
        "7000-8000 r-xp 00000000 00:00 0 [vdso]\nAnonymous: 0 kB\n"
        "8000-9000 r--p 00000000 00:00 1 /lib/table.so\nAnonymous: 0 kB\nSwap: 0 kB\n"
    )

    assert clean_mappings(tmp_path / "smaps") == [(0x1000, 0x2000), (0x8000, 0x1000)]
    assert clean_mappings(tmp_path / "none") == []


def test_a_librarys_tables_that_were_swapped_out_are_kept(tmp_path: Path):
    (tmp_path / "smaps").write_text(
        "1000-2000 r--p 00000000 00:00 1 /lib/filled in.so\nRss: 0 kB\nAnonymous: 0 kB\nSwap: 4 kB\nSwapPss: 4 kB\n"
        "2000-3000 r--p 00000000 00:00 1 /lib/table.so\nRss: 4 kB\nAnonymous: 0 kB\nSwap: 0 kB\nSwapPss: 0 kB\n"
    )

    assert clean_mappings(tmp_path / "smaps") == [(0x2000, 0x1000)]


def test_only_what_was_clean_a_while_ago_is_given_back_while_others_may_load_libraries(tmp_path: Path):
    (tmp_path / "data").write_bytes(b"0123456789" * 100_000)
    libraries = frozenset(clean_mappings())
    with (tmp_path / "data").open("rb") as file:
        new = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    assert new[:].startswith(b"0123456789")
    among_all = frozenset(clean_mappings())

    give_back(libraries)
    kept_kb = resident_kb(tmp_path / "data")
    give_back(among_all)

    assert len(among_all) == len(libraries) + 1
    assert (kept_kb, resident_kb(tmp_path / "data")) == (980, 0)


def resident_kb(path: Path) -> int:
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    next(line for line in lines if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
