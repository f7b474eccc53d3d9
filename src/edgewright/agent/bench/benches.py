"""Measures what the order asks for, one package at a time: fetched, verified and refused as for an install.

Nothing of it touches a slot, a model's record or a counter floor. Whatever is written lies in DIR/benches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from edgewright.agent.bench import book as books
from edgewright.agent.bench.book import Book, Current
from edgewright.agent.bench.place import Place
from edgewright.agent.bench.refusals import refusal, shortage
from edgewright.agent.disk import ModelFolder, slots
from edgewright.agent.install import Fetcher, no_room
from edgewright.agent.link import Later
from edgewright.agent.machine import Equipment
from edgewright.agent.states import TRIES
from edgewright.agent.system import logs
from edgewright.agent.system.conditions import available_bytes, conditions
from edgewright.agent.trial import BenchResult, Trial
from edgewright.agent.trial.launch import BENCH_S
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import Manifest
from edgewright.contract.order import Bench
from edgewright.contract.report import BenchOutcome, Conditions

MEMORY_WAIT_S = 60.0
WINDOW_WAIT_S = 600.0  # at most without a look at the clock, which may be set meanwhile

Package = Callable[[Bench], tuple[Manifest, bytes]]
"""The manifest and its bytes, once a release role vouches for them; raises HostileInput, Unreachable, NotAllowed."""


class Measure(Protocol):
    """Starts to measure."""

    def measure(self, place: Path, manifest_sha256: str, calls: int) -> Trial:
        """Begin with so many requests to the package that lies in `place`."""
        ...


class Benches:
    """The benches of one device. `step` does one short thing; a cut of the power may come anywhere in it."""

    def __init__(
        self,
        equipment: Equipment,
        package: Package,
        measure: Measure,
        *,
        available: Callable[[], int | None] = available_bytes,
        look: Callable[[], Conditions] = conditions,
    ) -> None:
        """`available` are the bytes of memory that can be had, and `look` tells what the machine goes through."""
        self._equipment = equipment
        self._package = package
        self._measure = measure
        self._available = available
        self._look = look
        self._folder = equipment.root / "benches"
        self._place = Place(self._folder)
        self._fetcher = Fetcher(
            self._folder / "files", equipment.source, equipment.patch, equipment.is_pausing, self._held
        )
        self._known: Book | None = None
        self._ordered: Sequence[Bench] = ()
        self._is_fetched = False
        self._trial: Trial | None = None
        self._ends_at = 0.0
        self._before: Conditions | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to measure, nor to report."""
        now = self._equipment.clock()
        book = self._known
        return book is not None and book.current is None and books.pick(book, self._ordered, now) is None

    @property
    def present(self) -> str:
        """The bench that is on, in words; '' for none. Any thread may ask."""
        current = self._known.current if self._known is not None else None
        bench = current.bench if current is not None and current.report is None else None
        return f"{bench.model}/{bench.counter} ({bench.request})" if bench is not None else ""

    def follow(self, ordered: Sequence[Bench]) -> None:
        """Hear what the present order asks for; what it no longer asks for is left, unless it has been measured."""
        self._ordered = ordered
        current = self._book().current
        if current is None or current.report is not None:
            return
        if current.bench.request not in {bench.request for bench in ordered}:
            self.give_way()

    def step(self) -> bool:
        """Take the next step. True: there is more to do at once.

        Raises Unreachable or NotAllowed (then try later), and OSError or SpoolFull where the disk gives trouble.
        """
        current = self._book().current
        if current is None:
            return self._begin()
        if current.report is not None:
            return self._tell(current)
        if self._trial is not None:
            return self._hear(current, self._trial)
        if self._equipment.clock() >= current.bench.expires_at:
            self.give_way()
            return False
        if current.candidate.tries_left <= 0:
            return self._end(current, BenchOutcome.FAILED, f"{TRIES} starts did not finish it")
        return self._start(current) if self._is_fetched else self._fetch(current)

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once it is worth taking the next step; () where none can tell."""
        return (*self._fetcher.waits_on(), *(self._trial.waits_on() if self._trial is not None else ()))

    def give_way(self) -> None:
        """Leave the bench that is on, and the room that it takes: an install comes first. It may begin again later."""
        self._kill()
        current = self._book().current
        if current is not None and current.report is None:
            self._place.clear()
            self._forget_files()
            self._save(books.with_current(self._book(), None))

    def stop(self) -> None:
        """End what runs, without blaming the package."""
        self._fetcher.rest()
        current = self._book().current
        if self._trial is not None and current is not None:
            self._kill()
            self._save(books.with_current(self._book(), books.counting(current, 1)))

    def _begin(self) -> bool:
        bench = books.pick(self._book(), self._ordered, self._equipment.clock())
        if bench is None:
            return False
        try:
            manifest, data = self._package(bench)
        except HostileInput as error:
            current = books.begin(self._book(), bench, 0).current
            return current is not None and self._end(current, BenchOutcome.REFUSED, error.message)
        book = books.begin(self._book(), bench, len(data))
        if book.current is not None and (why := self._refusal(bench, manifest)):
            return self._end(book.current, BenchOutcome.REFUSED, why)
        self._save(book)
        self._fetcher.keep_manifest(data)
        logs.say("bench begun", model=bench.model, counter=bench.counter, request=bench.request)
        return True

    def _refusal(self, bench: Bench, manifest: Manifest) -> str:
        device = self._equipment.measure()
        folder = ModelFolder(self._equipment.root / "models" / bench.model, bench.model)
        record, _ = folder.load()
        if why := refusal(bench, manifest, record, device, self._equipment.settings.memory_max_bytes):
            return why
        return no_room(manifest, bench.fetches, self._held(), self._equipment.room(device.disk_free_bytes))

    def _fetch(self, current: Current) -> bool:
        try:
            candidate, self._is_fetched = self._fetcher.advance(current.candidate, {})
        except (Unreachable, NotAllowed):
            raise
        except (EdgewrightError, OSError) as error:
            return self._end(current, BenchOutcome.FAILED, str(error))
        if candidate is not current.candidate:
            self._save(books.with_current(self._book(), msgspec.structs.replace(current, candidate=candidate)))
        return self._is_fetched or not self._fetcher.is_waiting

    def _start(self, current: Current) -> bool:
        self._wait_for_leave()
        sha256 = current.bench.manifest_sha256
        try:
            manifest = self._place.lay(sha256, self._fetcher.path)
        except (HostileInput, OSError) as error:
            return self._end(current, BenchOutcome.FAILED, str(error))
        if why := shortage(manifest, self._available(), self._equipment.measure().ram_bytes):
            raise Later(why, wait_s=MEMORY_WAIT_S, spread_s=0.0)
        self._save(books.with_current(self._book(), books.counting(current, -1)))
        self._before = self._look()
        try:
            self._trial = self._measure.measure(self._place.path, sha256, current.bench.calls)
        except OSError:  # no process can be started now, and the package is not to blame for that
            self._save(books.with_current(self._book(), current))
            raise
        self._ends_at = self._equipment.monotonic() + BENCH_S
        return True

    def _wait_for_leave(self) -> None:
        """A bench takes processors from what serves: it waits for the hours in which that may be."""
        leave = self._equipment.may_switch(())
        if not leave.is_given:
            raise Later(leave.reason, wait_s=min(leave.wait_s, WINDOW_WAIT_S), spread_s=0.0)

    def _hear(self, current: Current, trial: Trial) -> bool:
        ending = trial.ending()
        try:
            said = trial.lines()
        except HostileInput as error:
            return self._end(current, BenchOutcome.FAILED, error.message)
        if said:
            return self._take(current, said[0])
        if ending:
            return self._end(current, BenchOutcome.FAILED, f"{ending} during its bench")
        if self._equipment.monotonic() > self._ends_at:
            return self._end(current, BenchOutcome.FAILED, f"it was not measured within {BENCH_S:.0f} s")
        return False

    def _take(self, current: Current, line: msgspec.Struct) -> bool:
        if not isinstance(line, BenchResult):
            return self._end(current, BenchOutcome.FAILED, "the worker spoke out of turn")
        outcome = BenchOutcome.DONE if line.ok else BenchOutcome.FAILED
        return self._end(current, outcome, line.reason, line)

    def _end(self, current: Current, outcome: BenchOutcome, reason: str, found: BenchResult | None = None) -> bool:
        """Keep how it ended until it is in the spool."""
        self._kill()
        report = books.report_of(current, outcome, reason, self._equipment.clock())
        if found is not None:
            told = msgspec.structs.asdict(found)
            figures = {name: value for name, value in told.items() if name not in ("ok", "reason")}
            report = msgspec.structs.replace(report, **figures, before=self._before, after=self._look())
        self._save(books.with_current(self._book(), msgspec.structs.replace(current, report=report)))
        return True

    def _tell(self, current: Current) -> bool:
        if current.report is not None:
            self._equipment.reports.append(current.report)
            logs.say(
                "bench ended",
                model=current.bench.model,
                counter=current.bench.counter,
                outcome=current.report.outcome,
                reason=current.report.reason,
            )
        self._place.clear()
        self._forget_files()
        self._save(books.close(self._book(), current))
        return True

    def _kill(self) -> None:
        if self._trial is not None:
            self._trial.kill()
        self._trial = None

    def _book(self) -> Book:
        """The book, read once; what a bench that was cut off has left is put away then."""
        if self._known is None:
            book = books.load(self._folder)
            self._place.clear()
            if book.current is None:
                self._forget_files()
            self._known = book
        return self._known

    def _save(self, book: Book) -> None:
        books.save(self._folder, book)
        self._known = book

    def _forget_files(self) -> None:
        self._is_fetched = False
        self._fetcher.forget()

    def _held(self) -> dict[str, Path]:
        """The files in all models' slots, by digest: they are measured where they are, without being fetched."""
        return slots.held_by_others(self._equipment.root / "models", "")
