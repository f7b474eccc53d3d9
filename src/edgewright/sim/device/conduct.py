"""How releases behave on simulated devices, and the workers that find it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from edgewright.agent.trial import BenchResult, Line, ShadowDone, ShadowReady, TrialResult
from edgewright.contract import manifest as manifests
from edgewright.contract.order import Shadow
from edgewright.contract.report import GoldenResult, ShadowResult

TRIAL_S = 20.0
SHADOW_S = 40.0
GOOD_GOLDEN = GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0)
BAD_GOLDEN = GoldenResult(passed=False, max_error=9.0, argmax_agreement=0.2)


class Conduct(StrEnum):
    """What a release does on a device."""

    GOOD = "good"
    FAILS_GOLDEN = "fails its golden test"
    DISAGREES = "disagrees with the running version"
    HANGS = "hangs in its trial"
    DIES = "dies in its trial"
    CRASHES = "crashes after it has taken over"


ConductOf = Callable[[str, int], Conduct]
"""What the release of this model and counter does on one device."""


class SimTrials:
    """Workers that say what the release's conduct makes of them, when it is time."""

    def __init__(self, conduct_of: ConductOf, monotonic: Callable[[], float]) -> None:
        self._conduct_of = conduct_of
        self._monotonic = monotonic
        self.running: dict[str, _Worker] = {}
        """Candidates that are being tried now, by model."""

    def start(self, slot: Path, active: Path | None, shadow: Shadow | None, socket: Path) -> _Worker:
        """Try what lies in `slot`."""
        manifest = manifests.decode((slot / "manifest.json").read_bytes())
        conduct = self._conduct_of(manifest.model, manifest.counter)
        lines = _script(conduct, has_shadow=shadow is not None)
        worker = _Worker(lines, self._monotonic, conduct, lambda: self.running.pop(manifest.model, None))
        self.running[manifest.model] = worker
        return worker

    def measure(self, place: Path, manifest_sha256: str, calls: int) -> _Worker:
        """Benches are not part of simulations: it fails at once."""
        return _Worker({0.0: BenchResult(ok=False, reason="simulated")}, self._monotonic, Conduct.GOOD, lambda: None)


class _Worker:
    """One trial: lines by the second at which they are said."""

    def __init__(
        self,
        lines: Mapping[float, Line],
        monotonic: Callable[[], float],
        conduct: Conduct,
        ended: Callable[[], object],
    ) -> None:
        self._lines = dict(sorted(lines.items()))
        self._monotonic = monotonic
        self._began_at = monotonic()
        self._conduct = conduct
        self._ended = ended

    def lines(self) -> list[Line]:
        due = [at for at in self._lines if self._monotonic() - self._began_at >= at]
        return [self._lines.pop(at) for at in due[:1]]

    def ending(self) -> str:
        is_dead = self._conduct is Conduct.DIES and self._monotonic() - self._began_at >= TRIAL_S / 2
        return "the worker was killed by SIGSEGV" if is_dead else ""

    def waits_on(self) -> tuple[int, ...]:
        return ()

    def kill(self) -> None:
        self._lines.clear()
        self._ended()


def _script(conduct: Conduct, *, has_shadow: bool) -> dict[float, Line]:
    if conduct in (Conduct.HANGS, Conduct.DIES):
        return {}
    if conduct is Conduct.FAILS_GOLDEN:
        return {TRIAL_S: TrialResult(ok=False, reason="golden outputs differ", golden=BAD_GOLDEN)}
    said: dict[float, Line] = {TRIAL_S: _trial_result()}
    if has_shadow:
        agreement = 0.3 if conduct is Conduct.DISAGREES else 0.99
        said[TRIAL_S + 1.0] = ShadowReady()
        said[TRIAL_S + SHADOW_S] = ShadowDone(ok=True, shadow=_shadow_result(agreement), waited_s=SHADOW_S)
    return said


def _trial_result() -> TrialResult:
    return TrialResult(ok=True, golden=GOOD_GOLDEN, latency_p50_ms=1.0, latency_p95_ms=2.0, memory_bytes=1000)


def _shadow_result(agreement: float) -> ShadowResult:
    return ShadowResult(requests=100, agreement=agreement, score_shift=1.0 - agreement, latency_ratio=1.0)
