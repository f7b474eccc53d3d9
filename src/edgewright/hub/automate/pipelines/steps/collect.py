"""Collect: devices send samples, people say what they show, and both join the dataset as a new snapshot."""

from __future__ import annotations

from edgewright.hub.automate.pipelines.job import Job
from edgewright.hub.automate.pipelines.keys import Inputs
from edgewright.hub.automate.pipelines.model import Result
from edgewright.hub.automate.pipelines.params import CollectParams, read
from edgewright.hub.data import Collections, Data
from edgewright.hub.db import Database
from edgewright.hub.govern import People

ANY = ""
"""Labelled samples of whatever request."""


class Collect:
    """Asks the devices that run the champion. Without a champion, or with nothing to wait for, it takes the newest."""

    def __init__(self, db: Database, people: People, data: Data, collections: Collections) -> None:
        self._db = db
        self._people = people
        self._data = data
        self._collections = collections

    def inputs(self, job: Job) -> Inputs | None:
        """None: it is about now."""
        return None

    def holds(self, job: Job, result: Result) -> bool:
        """While its snapshot is there."""
        return bool(self._data.snapshot(str(result.facts["snapshot"])))

    def act(self, job: Job) -> Result:
        """Open a request for samples, wait for labels, close it, and make the snapshot."""
        params = read(job.step, CollectParams)
        if job.found.snapshot:
            snapshot = job.once("newest", self._id_of, job.found.snapshot)
            return Result(facts={"snapshot": snapshot}, skipped="the snapshot was given")
        asks = bool(job.found.champion and params.samples_per_device)
        if not params.min_labels or (params.samples_per_device and not asks):
            newest = job.once("newest", self._id_of, job.asked.pipeline.dataset)
            why = "no labels were asked for" if not params.min_labels else "no version is out yet"
            return Result(facts={"snapshot": newest}, skipped=f"{why}: {newest} is taken as it is")
        request = job.run if asks else ANY
        if asks:
            job.once("open", self._open, job, params.samples_per_device)
        wanted = f"waiting for {params.min_labels} labels"
        job.wait_until(wanted, lambda: self._labelled(job.model, request) >= params.min_labels)
        if asks:
            job.once("close", self._close, job)
        made = job.once("snapshot", self._snapshot, job, request)
        return Result(facts={"snapshot": made, "request": request}, note=f"{made} has what was labelled")

    def _id_of(self, snapshot: str) -> str:
        return self._data.snapshot(snapshot).id

    def _open(self, job: Job, per_device: int) -> None:
        with self._db.write() as connection:
            self._collections.open(connection, job.run, job.model, per_device)

    def _close(self, job: Job) -> None:
        with self._db.write() as connection:
            self._collections.close(connection, job.run)

    def _labelled(self, model: str, request: str) -> int:
        return sum(sample.label is not None for sample in self._data.samples(model, request=request))

    def _snapshot(self, job: Job, request: str) -> str:
        newest = self._data.snapshot(job.asked.pipeline.dataset)
        if newest.note.endswith(f"of {job.run}"):
            return newest.id  # a crash came after it was made
        return self._data.extend(self._people.named(job.asked.principal), newest.id, job.model, request).id
