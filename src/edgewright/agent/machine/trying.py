"""A candidate's trial and shadow phase, seen from the supervisor: the worker is started, heard, judged and ended."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent.disk import ModelFolder, durable
from edgewright.agent.machine.equipment import Equipment
from edgewright.agent.states import Candidate, ModelRecord, Step, candidate_of
from edgewright.agent.trial import Line, ShadowDone, ShadowReady, Trial, TrialResult, judge_shadow
from edgewright.contract.errors import HostileInput
from edgewright.contract.order import Shadow


@dataclass(frozen=True)
class Verdict:
    """How a phase ended; the candidate with what was measured."""

    candidate: Candidate
    is_ok: bool
    reason: str = ""


class Trying:
    """One model's candidates, one at a time. `socket` is where apps send copies of requests in a shadow phase.

    A verdict is given again and again until the record has left the phase: what a worker says, it says once, and
    the disk may have no room for a record just then.
    """

    def __init__(self, folder: ModelFolder, socket: Path, equipment: Equipment) -> None:
        self._folder = folder
        self._socket = socket
        self._equipment = equipment
        self._trial: Trial | None = None
        self._began_at, self._ends_at = 0.0, 0.0
        self._heard: deque[Line] = deque()
        self._verdict: tuple[Step, Verdict] | None = None
        self.is_shadow_ready = False
        with contextlib.suppress(OSError):  # an old socket misleads nobody, and the disk may be for reading only
            durable.make_folder(socket.parent)
            durable.remove(socket)

    def is_under_way(self, record: ModelRecord) -> bool:
        """Whether a worker runs, or has been judged: if not, the phase is to be begun."""
        return self._trial is not None or self._known(record) is not None

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors that can be read once the worker says something, or ends."""
        return self._trial.waits_on() if self._trial is not None else ()

    @property
    def has_more(self) -> bool:
        """Whether the worker has said more than what was judged so far."""
        return bool(self._heard)

    @property
    def lasts_s(self) -> float:
        """How long the worker has been running."""
        return self._equipment.monotonic() - self._began_at

    def start(self, record: ModelRecord) -> None:
        """Start the worker with the record's candidate."""
        durable.remove(self._socket)
        self._verdict = None
        self._trial = self._equipment.trials.start(
            self._folder.slot(candidate_of(record).slot),
            self._folder.slot(record.active) if record.active else None,
            shadow_of(record),
            self._socket,
        )
        self._began_at = self._equipment.monotonic()
        self._ends_at = self._began_at + self._equipment.settings.trial_timeout_s

    def trial(self, record: ModelRecord) -> Verdict | None:
        """The verdict on the trial; None while it is still to come. A worker that has failed has been ended."""
        return self._known(record) or self._note(record, self._judge_trial(record))

    def shadow(self, record: ModelRecord) -> Verdict | None:
        """The verdict on the shadow phase; None while it is still to come. When there is one, the worker has ended."""
        return self._known(record) or self._note(record, self._judge_shadow(record))

    def end(self) -> None:
        """End the worker, if there is one."""
        if self._trial is not None:
            self._trial.kill()
        self._trial = self._verdict = None
        self._heard.clear()
        self.is_shadow_ready = False
        durable.remove(self._socket)

    def _known(self, record: ModelRecord) -> Verdict | None:
        if self._verdict is not None and self._verdict[0] is not record.step:
            self._verdict = None  # that phase is over; should it come again, it is for a worker to say
        return self._verdict[1] if self._verdict is not None else None

    def _note(self, record: ModelRecord, verdict: Verdict | None) -> Verdict | None:
        if verdict is not None:
            self._verdict = (record.step, verdict)
        return verdict

    def _judge_trial(self, record: ModelRecord) -> Verdict | None:
        candidate = candidate_of(record)
        ending, line = self._hear()
        if isinstance(line, TrialResult):
            return self._take_result(candidate, line, shadow_of(record))
        return self._without_result(candidate, line, ending, "trial")

    def _judge_shadow(self, record: ModelRecord) -> Verdict | None:
        candidate, policy = candidate_of(record), shadow_of(record)
        if policy is None:
            self.end()
            return Verdict(candidate, is_ok=True)
        ending, line = self._hear()
        if isinstance(line, ShadowReady):
            self.is_shadow_ready = True
            return None
        if isinstance(line, ShadowDone):
            return self._take_shadow(candidate, line, policy)
        return self._without_result(candidate, line, ending, "shadow phase")

    def _take_result(self, candidate: Candidate, line: TrialResult, shadow: Shadow | None) -> Verdict:
        candidate = msgspec.structs.replace(
            candidate,
            golden=line.golden,
            latency_p50_ms=line.latency_p50_ms,
            latency_p95_ms=line.latency_p95_ms,
            memory_bytes=line.memory_bytes,
        )
        if not line.ok:
            return self._fail(candidate, line.reason)
        if shadow is not None:
            self._ends_at += shadow.max_wait_s
        return Verdict(candidate, is_ok=True)

    def _take_shadow(self, candidate: Candidate, line: ShadowDone, policy: Shadow) -> Verdict:
        if not line.ok or line.shadow is None:
            return self._fail(candidate, line.reason or "the shadow phase was not carried out")
        is_passed, reason = judge_shadow(line.shadow, policy)
        candidate = msgspec.structs.replace(candidate, shadow=line.shadow, reason=reason)
        self.end()
        return Verdict(candidate, is_passed, reason)

    def _without_result(self, candidate: Candidate, line: Line | None, ending: str, phase: str) -> Verdict | None:
        if line is not None:
            return self._fail(candidate, "the worker spoke out of turn")
        if ending:
            return self._fail(candidate, f"{ending} during its {phase}")
        if self._equipment.monotonic() > self._ends_at:
            return self._fail(candidate, "the worker did not finish in time")
        return None

    def _hear(self) -> tuple[str, Line | None]:
        """How the worker has ended, if it has; its next line, as it may say several at once, if it says any."""
        if self._trial is None:
            raise RuntimeError("a trial without its worker")
        ending = self._trial.ending()
        if not self._heard:
            try:
                self._heard.extend(self._trial.lines())
            except HostileInput as error:
                self._heard.append(TrialResult(ok=False, reason=error.message))
        return ending, self._heard.popleft() if self._heard else None

    def _fail(self, candidate: Candidate, reason: str) -> Verdict:
        self.end()
        return Verdict(candidate, is_ok=False, reason=reason)


def shadow_of(record: ModelRecord) -> Shadow | None:
    """The shadow phase that the candidate must pass; none where nothing serves that it could be compared with."""
    return candidate_of(record).install.shadow if record.active else None
