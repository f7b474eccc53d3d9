"""Package: a release of the version, which people sign and approve."""

from __future__ import annotations

from edgewright.contract.api import ReleaseDraft, ReleaseState
from edgewright.contract.errors import Refused
from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.automate.pipelines.params import PackageParams, read
from edgewright.hub.govern import People
from edgewright.hub.packaging import Packaging

MAX_NOTE_CHARS = 500


class Package:
    """Builds the release once, and waits until it is ready, or turned down."""

    def __init__(self, people: People, packaging: Packaging) -> None:
        self._people = people
        self._packaging = packaging

    def inputs(self, job: Job) -> Inputs | None:
        """None: a version's release is found again by its version."""
        return None

    def holds(self, job: Job, result: Result) -> bool:
        """While the release is good."""
        counter = int(str(result.facts["release"]).rpartition("/")[2])
        return self._packaging.release(job.model, counter).state is not ReleaseState.BAD

    def act(self, job: Job) -> Result:
        """Build, wait, check; raises Refused where the release was turned down."""
        counter: int = job.once("build", self._build, job)
        release = f"{job.model}/{counter}"
        if read(job.step, PackageParams).waits:
            waiting = f"waiting for signature and approval of {release}"
            job.wait_until(waiting, lambda: self._state(job, counter) is not ReleaseState.DRAFT)
            job.once("check", self._check, job.model, counter)
        return Result(facts={"release": release}, note=release)

    def _build(self, job: Job) -> int:
        for release in self._packaging.releases(job.model):
            if release.version == job.found.version and release.state is not ReleaseState.BAD:
                return release.counter
        note = str(job.found.facts.get("why", ""))[:MAX_NOTE_CHARS]
        draft = ReleaseDraft(model=job.model, version=job.found.version, note=note)
        return self._packaging.build(self._people.named(job.asked.principal), draft).counter

    def _state(self, job: Job, counter: int) -> ReleaseState:
        return self._packaging.release(job.model, counter).state

    def _check(self, model: str, counter: int) -> None:
        release = self._packaging.release(model, counter)
        if release.state is not ReleaseState.READY:
            raise Refused(f"release {release.id} is {release.state}: {release.bad_reason}", field="release")
