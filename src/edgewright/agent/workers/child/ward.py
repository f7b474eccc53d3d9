"""A worker under watch: what it says, whether it does well, and whose fault its end was."""

from __future__ import annotations

from typing import NamedTuple

from edgewright.agent.serve.phases import Failed, Ready
from edgewright.agent.states import Active
from edgewright.agent.workers import watch
from edgewright.agent.workers.child.process import Worker
from edgewright.agent.workers.watch import Sample
from edgewright.contract.errors import HostileInput

DRAIN_SLACK_S = 10.0  # beyond the time that one request may take
SILENT_S = 1.0
REAP_S = 0.05
IN_USE_S = 10.0  # so long after a request, a worker is not idle


class End(NamedTuple):
    """How a worker ended, and whether its model is to blame."""

    is_blamed: bool
    reason: str


class Ward:
    """Looks after one worker. Times are of the monotonic clock, in seconds."""

    def __init__(self, worker: Worker, now: float) -> None:
        self.worker = worker
        self.is_ready = False
        self.ready_at = 0.0
        self.last: Sample | None = None
        self.last_used_at = now
        self._calm: Sample | None = None
        self._failure = ""
        self._silent_since: float | None = None
        self._stop_by: float | None = None

    @property
    def package(self) -> Active:
        """What it serves."""
        return self.worker.package

    def hear(self, now: float) -> None:
        """Take in what it says."""
        try:
            for line in self.worker.lines():
                if isinstance(line, Ready):
                    self.is_ready, self.ready_at = True, now
                    self.worker.settle()
                elif isinstance(line, Failed):
                    self._failure = line.reason or "the worker failed without a reason"
        except HostileInput as error:
            self.worker.kill(f"the worker spoke out of turn: {error.message}")
        if self.worker.is_silent and self._silent_since is None:
            self._silent_since = now
        if self._silent_since is not None and now - self._silent_since > SILENT_S:
            self.worker.kill("the worker closed its line to the supervisor")

    def look(self, now: float) -> float:
        """Look at it, and kill it if it does not do well. Returns the seconds until the next look."""
        reading = self.worker.reading()
        sample = self.worker.sample(now, reading, is_loading=not self.is_ready)
        if sample is None:
            return REAP_S
        before = self.last or sample
        self._calm = watch.last_calm(self._calm or sample, before, sample)
        self.note_use(now)
        self.last = sample
        if self._stop_by is not None:
            if now > self._stop_by:
                self.worker.kill()
        elif why := watch.complaint(self.worker.bounds, self._calm, sample):
            self.worker.kill(why)
        is_busy = sample.is_loading or sample.in_flight_s is not None or sample.requests != before.requests
        return watch.BUSY_S if is_busy or self._stop_by is not None else watch.QUIET_S

    def note_use(self, now: float) -> None:
        """Find out when it last had work; one that cannot tell (the disk is full) counts as being at work."""
        reading = self.worker.reading()
        is_at_work = reading is None or reading.in_flight_since_ns > 0
        self.last_used_at = max(self.last_used_at, now if is_at_work or reading is None else reading.ended_ns / 1e9)

    def is_in_use(self, now: float) -> bool:
        """Whether a request is in flight, or was lately."""
        self.note_use(now)
        return now - self.last_used_at < IN_USE_S

    def stop(self, now: float) -> None:
        """Ask it to answer what is in flight and to end."""
        self._stop_by = now + self.worker.bounds.request_timeout_s + DRAIN_SLACK_S
        self.worker.stop()

    def abandon(self, now: float) -> None:
        """Kill it; nobody is to blame."""
        self._stop_by = now
        self.worker.is_stopped = True
        self.worker.kill()

    def ended(self) -> End | None:
        """How it ended; None while it runs."""
        code = self.worker.code()
        if code is None:
            return None
        reading = self.worker.reading()
        is_strained = reading is not None and reading.is_strained
        if self.worker.condemned:
            is_excused = is_strained and self.last is not None and watch.is_over_memory(self.worker.bounds, self.last)
            return End(not is_excused, self.worker.condemned)
        if self.worker.is_stopped:
            return End(False, "it was asked to end")
        if self._failure:
            return End(True, self._failure)
        was_at_work = reading is not None and reading.is_at_work
        return End(*watch.judge_end(code, was_at_work, self.worker.ran_out_of_memory(), is_strained))
