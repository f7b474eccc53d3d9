"""One's own CI: a signed webhook says what there is to do, and a signed callback brings what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx
import msgspec

from edgewright.contract.api.tasks import Finished, Task
from edgewright.contract.api.workers import TaskRecord, TaskState
from edgewright.contract.webhook import key_of, sign, verify
from edgewright.hub.automate.executors.describing import Links
from edgewright.hub.automate.executors.model import IsCancelled, OnLine
from edgewright.hub.automate.executors.queue import Following, News, Tasks

TRIES = 4
REPLY_S = 20.0
CALLING, CALLED = "CI", "CI, called"
MAX_REASON_CHARS = 300


class Style(StrEnum):
    """How the webhook's body looks: ours, or what a service starts a pipeline by."""

    EDGEWRIGHT = "edgewright"
    GITHUB = "github"  # POST /repos/OWNER/NAME/dispatches (repository_dispatch)
    GITLAB = "gitlab"  # POST /api/v4/projects/ID/trigger/pipeline


@dataclass(frozen=True)
class Ci:
    """The one address that is called, and with what."""

    url: str
    secret: str
    style: Style = Style.EDGEWRIGHT
    token: str = ""
    ref: str = "main"

    def __post_init__(self) -> None:
        """Raise InvalidInput for a secret that signs nothing."""
        key_of(self.secret)


class InCi:
    """Tasks as jobs of one's own CI. It is called once for a task; if the hub dies over that, perhaps once more."""

    def __init__(
        self, ci: Ci, tasks: Tasks, following: Following, news: News, links: Links, clock: Callable[[], float]
    ) -> None:
        self._ci = ci
        self._tasks = tasks
        self._following = following
        self._news = news
        self._links = links
        self._clock = clock
        self._http = httpx.Client(timeout=REPLY_S, follow_redirects=False)

    def run(self, task: Task, on_line: OnLine, is_cancelled: IsCancelled) -> Finished:
        """See Executor."""
        self._tasks.put(task)
        record = self._tasks.adopt(task.id, CALLING)
        if record.state is TaskState.TAKEN and record.holder == CALLING:
            on_line(f"[calls the CI at {httpx.URL(self._ci.url).host}]")
            if fault := self._call(record, task):
                self._tasks.stop(task.id, Finished(reason=fault, where=CALLING))
            else:
                self._tasks.name_holder(task.id, CALLED)
        return self._following.follow(task, on_line, is_cancelled, _wait)

    def check_answer(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise HostileInput unless a callback was signed with our common secret in the last five minutes."""
        verify(self._ci.secret, headers, body, self._clock())

    def _call(self, record: TaskRecord, task: Task) -> str:
        """Why the CI did not take it; "" if it did."""
        described = self._links.describe(record, task)
        url, sha256 = self._links.link(record, task)
        facts: dict[str, Any] = {"task": task.id, "run": task.run, "model": task.model, "step": task.step}
        facts |= {"task_url": url, "task_sha256": sha256, "timeout_s": task.limits.timeout_s}
        told = {**facts, "described": described} if self._ci.style is Style.EDGEWRIGHT else facts
        body = msgspec.json.encode(body_of(self._ci, told))
        fault = ""
        for _ in range(TRIES):
            fault, is_final = self._send(f"{task.id}-{record.attempt}", body)
            if not fault or is_final:
                return fault
            self._news.wait(2.0)
        return fault

    def _send(self, id: str, body: bytes) -> tuple[str, bool]:
        """What went wrong, and whether there is no use in trying again."""
        headers = {**headers_of(self._ci), **sign(self._ci.secret, id, self._clock(), body)}
        try:
            reply = self._http.post(self._ci.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return f"could not be given to the CI: {error or type(error).__name__}", False
        if reply.status_code < 300:
            return "", True
        told = f"was refused by the CI: HTTP {reply.status_code} {reply.text[:MAX_REASON_CHARS]}".strip()
        return told, reply.status_code < 500


def body_of(ci: Ci, told: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook's body in the style of the CI."""
    match ci.style:
        case Style.EDGEWRIGHT:
            return {"type": "edgewright.task", "data": dict(told)}
        case Style.GITHUB:
            return {"event_type": "edgewright-task", "client_payload": dict(told)}
        case Style.GITLAB:
            variables = {f"EW_{name.upper()}": str(value) for name, value in told.items()}
            return {"token": ci.token, "ref": ci.ref, "variables": variables}


def headers_of(ci: Ci) -> dict[str, str]:
    """What goes with it, apart from the signature."""
    headers = {"content-type": "application/json", "user-agent": "edgewright-hub"}
    if ci.style is Style.GITHUB:
        headers |= {"accept": "application/vnd.github+json", "authorization": f"Bearer {ci.token}"}
    elif ci.token and ci.style is Style.EDGEWRIGHT:
        headers["authorization"] = f"Bearer {ci.token}"
    return headers


def _wait(_record: TaskRecord) -> None:
    """There is nothing to look at: the CI calls back, or its time ends."""
