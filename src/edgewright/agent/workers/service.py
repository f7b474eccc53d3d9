"""The serving of one model: its socket, its workers, and the package that they are to serve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.agent.disk import Settings
from edgewright.agent.disk.vitals import FOLDER
from edgewright.agent.link import Chance, Schedule
from edgewright.agent.states import CRASH_WINDOW_S, Active, Crash
from edgewright.agent.system import logs
from edgewright.agent.system.cgroup import Groups
from edgewright.agent.workers import watch
from edgewright.agent.workers.callers import Listener
from edgewright.agent.workers.child import COMMAND, REAP_S, End, Plan, Ward, Worker
from edgewright.agent.workers.memory import Memory
from edgewright.agent.workers.states import NEXT, Act, Event, Phase, choose
from edgewright.contract.errors import InvalidInput

MAX_REST_S = 60.0
BIND_AGAIN_S = 5.0
STEADY_S = 60.0  # of serving; after it, former crashes delay nothing


@dataclass(frozen=True)
class Means:
    """What the services of a device share."""

    root: Path
    settings: Settings
    memory: Memory
    monotonic: Callable[[], float]
    chance: Chance
    crashed: Callable[[Crash], None]
    command: Sequence[str] = COMMAND
    groups: Groups | None = None


class Service:
    """One model's. Every change of its phase is a row of `NEXT`; it decides nothing about memory."""

    def __init__(self, model: str, means: Means) -> None:
        self.model = model
        self.phase = Phase.GONE
        self.priority = 0
        self.active: Active | None = None
        self.spare: Active | None = None
        self.listener: Listener | None = None
        self.serving: Ward | None = None
        self.loading: Ward | None = None
        self.leaving: list[Ward] = []
        self.is_asked = False  # a person wants it to be loaded
        self.reason = ""  # of the latest crash or refusal
        self._means = means
        self._crashes: dict[str, list[float]] = {}
        self._failed = ""  # the digest of what it backs off from
        self._rest = self._new_rest()
        self._look_at = 0.0
        self._bind_at = 0.0
        self._acts: dict[Act, Callable[[float], None]] = {
            Act.START: self._start,
            Act.PROMOTE: self._promote,
            Act.DRAIN: self._drain,
            Act.ABANDON: self._abandon,
            Act.REST: self._back_off,
            Act.CLOSE: self._close_listener,
        }

    def follow(self, active: Active | None, spare: Active | None, priority: int) -> None:
        """Serve this package from now on, or none."""
        if active is not None and (self.active is None or active.manifest_sha256 != self.active.manifest_sha256):
            self._rest = self._new_rest()  # what is new waits for nothing
        self.active, self.spare, self.priority = active, spare, priority
        if active is None and self.phase is not Phase.GONE:
            self.happen(Event.REMOVED)
        elif active is not None and self.phase is Phase.GONE:
            self.phase = Phase.IDLE

    def wanted(self) -> Active | None:
        """The package that is to serve now: the active one, or the spare one in its stead."""
        if self.active is None:
            return None
        return choose(self.active, self.spare, {sha256: len(self._recent(sha256)) for sha256 in self._crashes})

    @property
    def crashes(self) -> int:
        """How often the active package has crashed within a day, as far as this process knows."""
        return len(self._recent(self.active.manifest_sha256)) if self.active else 0

    @property
    def is_always(self) -> bool:
        """Whether a worker serves also while nobody calls."""
        return self.model in self._means.settings.always

    @property
    def wards(self) -> list[Ward]:
        """All workers that run."""
        return [ward for ward in (self.serving, self.loading, *self.leaving) if ward is not None]

    def happen(self, event: Event) -> None:
        """Take the row of the table, and do what it says."""
        now = self._means.monotonic()
        before = self.phase
        self.phase, acts = NEXT[before][event]
        logs.say("serving", model=self.model, event=event, before=before, phase=self.phase, reason=self.reason)
        for act in acts:
            self._acts[act](now)

    def turn(self) -> float:
        """Hear the workers, look after them when it is time; the seconds until it is time again."""
        now = self._means.monotonic()
        if self.is_unbound and now >= self._bind_at:
            self._open_listener(now)
        for ward in self.wards:
            ward.hear(now)
            if (end := ward.ended()) is not None:
                self._bury(ward, end)
        if self.loading is not None and self.loading.is_ready:
            self.happen(Event.WARM)
        if now >= self._look_at:
            self._look_at = now + self._look(now)
        self._notice(now)
        return max(0.0, self._due_at(now) - now)

    def needs_worker(self) -> bool:
        """Whether a worker is to be started now, if there is memory for it."""
        if self.active is None or self.listener is None:
            return False
        if self._is_outdated():
            return self._rest.is_due()
        return self.phase is Phase.IDLE and (self.is_always or self.is_asked or self.listener.is_called())

    @property
    def is_unbound(self) -> bool:
        """Whether its socket is still to be bound."""
        return self.listener is None and self.phase is not Phase.GONE

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it."""
        return self.phase is Phase.GONE and not self.wards

    @property
    def wants_turns(self) -> bool:
        """Whether something is to be looked after while nobody calls."""
        return bool(self.wards) or self.is_backing_off or self.is_unbound

    @property
    def is_backing_off(self) -> bool:
        """Whether it waits before it starts another worker."""
        return self.phase is Phase.BACKING_OFF

    def rest_s(self) -> float:
        """How long it still backs off; 0 where it does not."""
        return self._rest.remaining_s() if self.is_backing_off else 0.0

    def close(self, ends_at: float) -> None:
        """End all workers; they have until then to answer what is in flight."""
        for ward in self.wards:
            ward.worker.stop()
        for ward in self.wards:
            ward.worker.end(max(0.0, ends_at - self._means.monotonic()))
        self.serving, self.loading = None, None
        self.leaving.clear()
        self._close_listener(0.0)

    def _look(self, now: float) -> float:
        next_s = min((ward.look(now) for ward in self.wards), default=watch.QUIET_S)
        ward = self.serving
        if ward is not None and ward.last is not None:
            self._means.memory.saw(ward.package, ward.worker.peak_rss_bytes)
            if now - ward.ready_at > STEADY_S:
                self._rest.succeed(0.0)
        return next_s

    def _notice(self, now: float) -> None:
        """What follows from the package that is wanted, and from the time that has passed."""
        wanted = self.wanted()
        if wanted is None:
            return
        loads_another = self.loading is not None and self.loading.package.manifest_sha256 != wanted.manifest_sha256
        rests_from_another = self.is_backing_off and self._failed != wanted.manifest_sha256
        if loads_another or rests_from_another:
            self.happen(Event.CHANGED)
        elif self.is_backing_off and self._rest.is_due():
            self.happen(Event.RESTED)
        elif now >= self._unload_at() and self.serving is not None:
            self.serving.note_use(now)
            if now >= self._unload_at():
                self.happen(Event.UNUSED)

    def _due_at(self, now: float) -> float:
        """When something is due that no descriptor tells of."""
        is_ending = any(ward.worker.is_silent for ward in self.wards)
        return min(
            now + REAP_S if is_ending else math.inf,
            self._look_at,
            self._unload_at(),
            self._bind_at if self.is_unbound else math.inf,
            now + self._rest.remaining_s() if self.is_backing_off or self._is_outdated() else math.inf,
        )

    def _is_outdated(self) -> bool:
        """Whether what serves is not what is to serve, and nothing is under way about it."""
        wanted = self.wanted()
        if self.phase is not Phase.READY or self.serving is None or wanted is None:
            return False
        return self.serving.package.manifest_sha256 != wanted.manifest_sha256

    def _unload_at(self) -> float:
        """When its worker is to end if nobody asks; never while that does not apply."""
        if self.phase is not Phase.READY or self.serving is None or self.is_always:
            return math.inf
        return self.serving.last_used_at + self._means.settings.idle_unload_s

    def _bury(self, ward: Ward, end: End) -> None:
        ward.worker.bury()
        if end.is_blamed:
            self._blame(ward.package, end.reason)
        if ward is self.loading:
            self.loading = None
            self._came_to_nothing(ward, end, Event.BROKE)
        elif ward is self.serving:
            self.serving = None
            self._came_to_nothing(ward, end, Event.DRAINED if self.phase is Phase.REPLACING else Event.DIED)
        else:
            self.leaving.remove(ward)

    def _came_to_nothing(self, ward: Ward, end: End, event: Event) -> None:
        self._failed = ward.package.manifest_sha256
        self.reason = "" if event is Event.DRAINED else end.reason
        self.happen(event)

    def _blame(self, package: Active, reason: str) -> None:
        logs.warn("a worker ended badly", model=self.model, version=package.version, reason=reason)
        sha256 = package.manifest_sha256
        self._crashes[sha256] = [*self._recent(sha256), self._means.monotonic()]
        self._means.crashed(Crash(model=self.model, manifest_sha256=sha256, reason=reason))

    def _recent(self, sha256: str) -> list[float]:
        since = self._means.monotonic() - CRASH_WINDOW_S
        return [at for at in self._crashes.get(sha256, ()) if at > since]

    def _start(self, now: float) -> None:
        """Start a worker. That the machine cannot just now is not the package's fault."""
        package, listener, means = self.wanted(), self.listener, self._means
        if package is None or listener is None:
            return
        plan = Plan(
            root=means.root,
            model=self.model,
            package=package,
            vitals=means.root / FOLDER / f"{self.model}.{package.slot}-{means.chance.nonce()[:12]}",
            listener=listener.fileno(),
            budget_bytes=means.memory.declared_bytes(self.model, package),
            cpus=means.settings.worker_cpus,
            request_timeout_s=means.settings.request_timeout_s,
            load_timeout_s=means.settings.trial_timeout_s,
        )
        self.is_asked, self._look_at = False, now + watch.BUSY_S
        try:
            self.loading = Ward(Worker(plan, now, means.command, means.groups), now)
        except OSError as error:
            self._failed, self.reason = package.manifest_sha256, f"no worker can be started: {error}"
            self.happen(Event.BROKE)

    def _promote(self, now: float) -> None:
        self.serving, self.loading, self.reason = self.loading, None, ""
        self._look_at = 0.0
        if self.serving is not None:
            self.serving.last_used_at = now

    def _drain(self, now: float) -> None:
        if self.serving is None:
            return
        self.serving.stop(now)
        if self.phase is not Phase.REPLACING:
            self.leaving.append(self.serving)
            self.serving = None

    def _abandon(self, now: float) -> None:
        if self.loading is not None:
            self.loading.abandon(now)
            self.leaving.append(self.loading)
            self.loading = None

    def _back_off(self, now: float) -> None:
        self._rest.fail()

    def _open_listener(self, now: float) -> None:
        """Bind the socket; where that cannot be done (a full disk, an unknown group) try again later."""
        settings = self._means.settings
        path = self._means.root / "run" / f"{self.model}.sock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.listener = Listener(path, int(settings.socket_mode, 8), settings.socket_group)
        except (OSError, InvalidInput) as error:
            reason = f"its socket cannot be bound: {error}"
            if reason != self.reason:
                logs.warn("a model's socket cannot be bound", model=self.model, reason=str(error))
            self.reason, self._bind_at = reason, now + BIND_AGAIN_S
        else:
            self.reason = ""

    def _close_listener(self, now: float) -> None:
        if self.listener is not None:
            self.listener.close()
        self.listener = None

    def _new_rest(self) -> Schedule:
        return Schedule(self._means.monotonic, self._means.chance, MAX_REST_S)
