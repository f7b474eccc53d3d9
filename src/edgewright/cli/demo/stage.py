"""What every step of the demonstration needs: the people, their keys, and ways to wait for work to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewright.cli.demo.show import Show
from edgewright.cli.demo.site import Device, ProcessFailed, Site
from edgewright.client import Client
from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import (
    AlertRecord,
    GateDraft,
    ReleaseRecord,
    RolloutDraft,
    RolloutRecord,
    RunRecord,
    RunState,
    StudyDraft,
)
from edgewright.contract.errors import Refused, Told

MODELS = ("digits", "wine")
TARGETS = ("cpu-fp32", "cpu-int8")
STUDY_S = 10.0
DEVICES = 8
WAVES = (1, 3, 8)
GATE = GateDraft(shadow_requests=50, shadow_agreement=0.9, patience_s=10.0)
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.1


class Stage:
    """The site, the people who act on it, and what the steps have learned."""

    def __init__(self, site: Site, show: Show) -> None:
        self.site = site
        self.show = show
        self.dashboard = ""
        self.password = ""
        self.ana: Client
        self.ben: Client
        self.keys = OperatorKeys(Path())
        self.own_approval_refused = False
        self.bad_release = ""
        self.killed_at = ""
        self.answered_while_dead = False
        self.alert: AlertRecord | None = None
        self.repair: RunRecord | None = None
        self._look = threading.Event()

    def device(self, number: int) -> Device:
        """The device of that number, from 1."""
        return self.site.devices[number - 1]

    def until(self, holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Look again and again until `holds`; raises ProcessFailed after `patience_s`."""
        deadline = time.monotonic() + patience_s
        self.show.now(f"waiting until {what}")
        while not holds():
            if time.monotonic() > deadline:
                raise ProcessFailed(f"after {patience_s:.0f} s it still does not hold that {what}")
            self._look.wait(LOOK_EVERY_S)

    def finish(self, runs: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
        """Wait until the runs have ended; raises Refused if one failed."""

        def tell(now: tuple[RunRecord, ...]) -> None:
            self.show.now(" · ".join(f"{run.kind} {run.subject}: {run.step or run.state}" for run in now))

        ended = self.ana.runs.wait_all([run.id for run in runs], tell)
        for run in ended:
            if run.state is not RunState.DONE:
                raise Refused(f"{run.kind} of {run.subject} {run.state}: {run.error}\n{run.log[-800:]}", field=run.id)
        return ended

    def optimise(self, model: str, version: int) -> None:
        """A short study for each target."""
        draft = StudyDraft(targets=TARGETS, budget_s=STUDY_S)
        self.finish(list(self.ana.optimize(model, version, draft)))
        for variant in self.ana.models.variants(model, version):
            figures = f"{variant.size_bytes / 1000:.0f} kB, accuracy {variant.accuracy:.3f}"
            speed = f"p50 {variant.latency_p50_ms * 1000:.0f} µs"
            steps = " → ".join(step.partition(" ")[0] for step in variant.recipe) or "the source itself"
            self.show.fact(f"{model}@{version} {variant.target}: {figures}, {speed} ({steps})")

    def release(self, model: str, version: int) -> ReleaseRecord:
        """Build, sign with the operator's key, let the author fail to approve, approve as another person, verify."""
        release = self.ana.releases.build(model, version)
        return self.sign_and_approve(release)

    def sign_and_approve(self, release: ReleaseRecord) -> ReleaseRecord:
        """What two people do before a release may leave the hub."""
        model, counter = release.model, release.counter
        self.ana.releases.sign(model, counter, self.keys)
        try:
            self.ana.releases.approve(model, counter)
        except Told as refusal:
            if not self.own_approval_refused:
                self.show.fact(f"ana approves her own release? No: {refusal.message}")
            self.own_approval_refused = True
        self.ben.releases.approve(model, counter)
        report = self.ana.releases.verify(model, counter)
        if not report.holds:
            failed = [line.what for line in report.checks if not line.holds]
            raise Refused(f"release {release.id} does not verify: {', '.join(failed)}")
        self.show.fact(f"{release.id}: signed, approved by ben, verified by {len(report.checks)} checks")
        return self.ana.releases.get(model, counter)

    def start_rollout(self, release: str) -> RolloutRecord:
        """To everybody, in waves."""
        return self.ana.rollouts.start(RolloutDraft(release=release, group="all", waves=WAVES, gate=GATE))

    def watch(self, rollout_id: str) -> RolloutRecord:
        """Wait until a rollout has ended."""
        last = self.ana.rollouts.get(rollout_id)
        for last in self.ana.rollouts.watch(rollout_id, timeout_s=PATIENCE_S):
            waves = " ".join(f"{wave.committed}/{wave.size}" for wave in last.waves)
            self.show.now(f"{last.release} {last.state}, waves {waves}")
        return last

    def rollout_of(self, release: str) -> RolloutRecord:
        """The newest rollout of a release."""
        found = [item for item in self.ana.rollouts.list() if item.release == release]
        return max(found, key=lambda item: item.created_at)
