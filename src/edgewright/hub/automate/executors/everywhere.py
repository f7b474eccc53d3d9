"""All places of a hub behind one door: a task goes where it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewright.contract.api.tasks import Finished, Place, Task, Where
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.executors.ci import Ci, InCi
from edgewright.hub.automate.executors.describing import Links
from edgewright.hub.automate.executors.local import Local
from edgewright.hub.automate.executors.model import Executor, IsCancelled, NotConfigured, OnLine, check_labels
from edgewright.hub.automate.executors.queue import ByWorkers, Following, Forgetting, Grants, News, Tasks, Workers
from edgewright.hub.automate.executors.ray import OnRay, RayJobs
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.govern import Audit

_SETTINGS = {
    Place.RAY: "EDGEWRIGHT_HUB_RAY_URL and EDGEWRIGHT_HUB_PUBLIC_URL",
    Place.CI: "EDGEWRIGHT_HUB_CI_URL, EDGEWRIGHT_HUB_CI_SECRET and EDGEWRIGHT_HUB_PUBLIC_URL",
}


class Executors:
    """An Executor that knows the others. `public_url` is where machines elsewhere reach this hub."""

    def __init__(
        self,
        db: Database,
        events: Events,
        audit: Audit,
        clock: Callable[[], float],
        local: Local,
        *,
        secret: bytes,
        public_url: str = "",
        ray: RayJobs | None = None,
        ci: Ci | None = None,
    ) -> None:
        self.tasks = Tasks(db, events, clock, Grants(secret))
        self.workers = Workers(db, events, audit, clock, self.tasks)
        self.forgetting = Forgetting(db, clock)
        self.links = Links(self.tasks, public_url)
        news = News(events)
        following = Following(self.tasks, news, clock)
        self._places: dict[Place, Executor] = {
            Place.LOCAL: local,
            Place.WORKER: ByWorkers(self.tasks, self.workers, following),
        }
        if ray is not None and public_url:
            self._places[Place.RAY] = OnRay(ray, self.tasks, following, self.links, clock)
        self._ci = InCi(ci, self.tasks, following, news, self.links, clock) if ci is not None and public_url else None
        if self._ci is not None:
            self._places[Place.CI] = self._ci

    def check(self, where: Where) -> None:
        """Raise NotConfigured unless tasks can go there, InvalidInput for labels that nothing can have."""
        self._of(where.kind)
        check_labels(where.labels)
        if where.labels and where.kind in (Place.LOCAL, Place.CI):
            hint = "Labels choose a worker: where = {gpu = true}."
            raise InvalidInput(f"'{where.kind}' chooses by no labels", field="where.labels", hint=hint)

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """See Executor. Raises NotConfigured."""
        return self._of(task.where.kind).run(task, on_line, is_cancelled)

    def check_answer(self, kind: Place, headers: Mapping[str, str], body: bytes) -> None:
        """Raise HostileInput where an answer has to be signed, and is not."""
        if kind is Place.CI and self._ci is not None:
            self._ci.check_answer(headers, body)

    def _of(self, kind: Place) -> Executor:
        found = self._places.get(kind)
        if found is None:
            hint = f"Whoever runs the hub sets {_SETTINGS[kind]}."
            raise NotConfigured(f"this hub sends no tasks to '{kind}'", field="where", hint=hint)
        return found
