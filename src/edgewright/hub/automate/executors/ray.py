"""A Ray cluster through its job API (/api/jobs/, Ray 2): submit, status, logs, stop. No Ray is imported here.

The job is a script of the standard library alone, `hub.sandbox.elsewhere`, which fetches the task's inputs from the
hub, runs its command and brings what it left; each by links that are good for this attempt.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from edgewright.contract.api.tasks import Finished, Task
from edgewright.contract.api.workers import TaskRecord, TaskState
from edgewright.hub.automate.executors.describing import Links
from edgewright.hub.automate.executors.model import IsCancelled, OnLine
from edgewright.hub.automate.executors.queue import Following, Tasks

PATIENCE_S = 300.0
"""For how long the cluster may be silent before its job is given up."""
REPLY_S = 30.0
MAX_REPLY_BYTES = 32 * 1024 * 1024
MAX_REASON_CHARS = 300
ANSWER_LOOKS = 5
TOLD_LINES = 20
SCRIPT = Path(__file__).parents[2] / "sandbox" / "elsewhere.py"


class JobStatus(StrEnum):
    """Ray's words (ray.job_submission.JobStatus)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_over(self) -> bool:
        """Whether the job does no more."""
        return self in (JobStatus.STOPPED, JobStatus.SUCCEEDED, JobStatus.FAILED)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of Ray's JobDetails."""

    status: JobStatus
    message: str | None = None


class _Logs(msgspec.Struct, frozen=True):
    logs: str


class RayAway(Exception):
    """The cluster did not answer, or not as Ray does."""


class RayJobs:
    """The four calls of the job API. Only `url` is ever called: redirects are not followed."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=REPLY_S, headers=headers, follow_redirects=False)

    def submit(self, id: str, entrypoint: str, metadata: dict[str, str], resources: dict[str, Any]) -> None:
        """Start a job; one of that id that is there already goes on. Raises RayAway."""
        if self.find(id) is not None:
            return
        body = {"submission_id": id, "entrypoint": entrypoint, "metadata": metadata, **resources}
        reply = self._send("POST", "/api/jobs/", json=body)
        if reply.status_code >= 300:
            raise RayAway(f"Ray took no job: HTTP {reply.status_code}: {reply.text[:MAX_REASON_CHARS]}")

    def find(self, id: str) -> Job | None:
        """How a job is; None if there is none. Raises RayAway."""
        reply = self._send("GET", f"/api/jobs/{quote(id, safe='')}")
        return None if reply.status_code == 404 else _read(reply, Job)

    def logs(self, id: str) -> str:
        """All that a job has said so far. Raises RayAway."""
        said: _Logs = _read(self._send("GET", f"/api/jobs/{quote(id, safe='')}/logs"), _Logs)
        return said.logs

    def stop(self, id: str) -> None:
        """End a job. Raises RayAway."""
        self._send("POST", f"/api/jobs/{quote(id, safe='')}/stop")

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            with self._http.stream(method, path, **options) as reply:
                body = b""
                for chunk in reply.iter_bytes():
                    body += chunk
                    if len(body) > MAX_REPLY_BYTES:
                        raise RayAway(f"Ray's answer to {method} {path} is longer than {MAX_REPLY_BYTES} bytes")
                return httpx.Response(reply.status_code, content=body, request=reply.request)
        except httpx.HTTPError as error:
            raise RayAway(f"Ray does not answer: {error or type(error).__name__}") from error


class OnRay:
    """Tasks as Ray's jobs. Labels of the task become resources: `gpu` and `cpu` are Ray's own, others custom ones."""

    def __init__(
        self, jobs: RayJobs, tasks: Tasks, following: Following, links: Links, clock: Callable[[], float]
    ) -> None:
        self._jobs = jobs
        self._tasks = tasks
        self._following = following
        self._links = links
        self._clock = clock

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """See Executor."""
        self._tasks.put(task)
        job = _Watched(self._jobs, self._tasks, task, on_line, self._clock)
        record = self._tasks.adopt(task.id, f"Ray job {job.id}")
        if record.state is TaskState.TAKEN:
            entrypoint = self._entrypoint(record, task)
            job.begin(entrypoint)
        finished = self._following.follow(task, on_line, is_cancelled, job.look)
        job.end()
        return finished

    def _entrypoint(self, record: TaskRecord, task: Task) -> str:
        url, sha256 = self._links.link(record, task)
        return shlex.join(["python3", "-c", SCRIPT.read_text(), url, sha256])


class _Watched:
    """One job, looked at while its task is followed."""

    def __init__(self, jobs: RayJobs, tasks: Tasks, task: Task, on_line: OnLine, clock: Callable[[], float]) -> None:
        self.id = f"edgewright-{task.id}"
        self._jobs = jobs
        self._tasks = tasks
        self._task = task
        self._on_line = on_line
        self._clock = clock
        self._heard_at = clock()
        self._over_looks = 0

    def begin(self, entrypoint: str) -> None:
        metadata = {"edgewright_task": self._task.id, "edgewright_model": self._task.model}
        try:
            self._jobs.submit(self.id, entrypoint, metadata, resources_of(self._task))
        except RayAway as away:
            self._give_up(str(away))

    def look(self, _record: TaskRecord) -> None:
        """See whether the job is still at work; one that is over without an answer has failed."""
        try:
            job = self._jobs.find(self.id)
            self._heard_at = self._clock()
        except RayAway as away:
            if self._clock() - self._heard_at > PATIENCE_S:
                self._give_up(f"was lost: {away}")
            return
        if job is None or job.status.is_over:
            self._over_looks += 1  # its answer may be on the way
            if self._over_looks > ANSWER_LOOKS:
                self._tell_end()
                told = f"{job.status}: {job.message or 'it said nothing'}" if job else "it is not there"
                self._give_up(f"brought no answer; Ray says of the job: {told[:MAX_REASON_CHARS]}")

    def end(self) -> None:
        """Leave nothing behind that runs, whoever has ended the task."""
        try:
            job = self._jobs.find(self.id)
            if job is not None and not job.status.is_over:
                self._jobs.stop(self.id)
        except RayAway as away:
            self._on_line(f"[Ray may still run the job {self.id}: {away}]")

    def _tell_end(self) -> None:
        """The end of what the job has said, which the hub did not hear from the job itself."""
        with contextlib.suppress(RayAway):
            for line in self._jobs.logs(self.id).splitlines()[-TOLD_LINES:]:
                self._on_line(f"Ray | {line[:MAX_REASON_CHARS]}")

    def _give_up(self, reason: str) -> None:
        self._tasks.stop(self._task.id, Finished(reason=reason, where=f"Ray job {self.id}"))


def resources_of(task: Task) -> dict[str, Any]:
    """What a job asks of the cluster, by the task's labels: `gpu=true` or `gpu=2`, `cpu=4`, and custom resources."""
    own = {"gpu": "entrypoint_num_gpus", "cpu": "entrypoint_num_cpus"}
    asked: dict[str, Any] = {}
    custom: dict[str, float] = {}
    for name, value in task.where.labels.items():
        amount = float(value) if value.replace(".", "", 1).isdecimal() else 1.0
        if name in own:
            asked[own[name]] = amount
        else:
            custom[name] = amount
    return asked | ({"entrypoint_resources": custom} if custom else {})


def _read(reply: httpx.Response, kind: type[Any]) -> Any:
    if reply.status_code >= 300:
        raise RayAway(f"Ray answers HTTP {reply.status_code}: {reply.text[:MAX_REASON_CHARS]}")
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RayAway(f"Ray's answer is not one of its job API: {error}") from error
