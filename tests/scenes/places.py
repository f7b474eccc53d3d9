"""Every place where tasks run, each behind the same rig: a served hub whose line can be cut, and who does the work."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import uvicorn

from edgewright.contract.api import FileRef, Role
from edgewright.contract.api.tasks import Finished, Limits, Place, Task, Where
from edgewright.contract.api.workers import WorkerDraft
from edgewright.contract.webhook import secret_of, verify
from edgewright.hub.govern import Principal
from edgewright.hub.settings import Settings
from edgewright.hub.web.server import build_app
from edgewright.worker import Line, Stopping, Working, describe
from scenes.balancer import Balancer
from scenes.dashboard import swift_hub

ANA = Principal(name="ana", roles=(Role.ENGINEER,))
SECRET = secret_of(bytes(range(32)))
ELSEWHERE = [sys.executable, "-m", "edgewright.hub.sandbox.elsewhere"]


class Elsewhere:
    """A foreign service on a port of its own: `jobs` are processes that it has started."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, object]]) -> None:
        self.jobs: dict[str, subprocess.Popen[bytes]] = {}
        self.redirect = ""  # where all who call are sent
        self.calls: list[tuple[str, bytes, dict[str, str]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.calls.append((f"{self.command} {self.path}", body, headers))
                status, reply = (307, "") if service.redirect else answer(self, body)
                data = json.dumps(reply).encode()
                self.send_response(status)
                if service.redirect:
                    self.send_header("location", service.redirect)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for job in self.jobs.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
            job.wait()


class RayLike(Elsewhere):
    """What Ray's dashboard answers at /api/jobs/ (2.4x), as recorded from a real one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(self._answer)

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        parts = request.path.strip("/").split("/")[2:]
        if request.command == "POST" and not parts:
            return self._submit(json.loads(body))
        if parts[0] not in self.jobs:
            return 404, f"Job {parts[0]} does not exist"
        job = self.jobs[parts[0]]
        match parts[1:]:
            case ["stop"]:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(job.pid, signal.SIGTERM)
                return 200, {"stopped": True}
            case ["logs"]:
                return 200, {"logs": (self._folder / parts[0]).read_text()}
        code = job.poll()
        status = {None: "RUNNING", 0: "SUCCEEDED", -15: "STOPPED"}.get(code, "FAILED")
        return 200, {"type": "SUBMISSION", "submission_id": parts[0], "status": status, "message": f"code {code}"}

    def _submit(self, wanted: dict) -> tuple[int, object]:
        id = wanted["submission_id"]
        if id in self.jobs:
            return 500, f"Job with submission_id {id} already exists"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (self._folder / id).open("wb") as log:
            self.jobs[id] = subprocess.Popen(
                ["bash", "-c", wanted["entrypoint"]],
                env={"PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return 200, {"job_id": id, "submission_id": id}


class OwnCi(Elsewhere):
    """Somebody's CI: checks the call's signature and starts a job with the links that it brings."""

    def __init__(self) -> None:
        self.is_idle = False
        super().__init__(self._answer)

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        id = verify(SECRET, headers, body, time.time())
        told = json.loads(body)["data"]
        if not self.is_idle:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            self.jobs[id] = subprocess.Popen(
                [*ELSEWHERE, told["task_url"], told["task_sha256"]],
                env={"PATH": path, "EDGEWRIGHT_CI_SECRET": SECRET},
                start_new_session=True,
                stdout=subprocess.DEVNULL,
            )
        return 202, {}


class Places:
    """A hub behind a line that can be cut, with every place that it can send tasks to; `settings` go over the rig's."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.is_cut = False
        self.balancer = Balancer(lambda: [] if self.is_cut else [self.port])
        (folder / "ray").mkdir()
        self.ray, self.ci = RayLike(folder / "ray"), OwnCi()
        own = {"public_url": self.balancer.url, "ray_url": self.ray.url, "ci_url": self.ci.url, "ci_secret": SECRET}
        self.later_s = 0.0  # the hub's clock goes before the real one by so much
        self.hub = swift_hub(Settings(dir=folder / "hub", **(own | settings)), lambda: time.time() + self.later_s)
        config = uvicorn.Config(build_app(self.hub), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
        socket = config.bind_socket()
        self.port = socket.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._serving = threading.Thread(target=self._server.run, kwargs={"sockets": [socket]}, daemon=True)
        self._serving.start()
        self._folder = folder
        self._workers: list[tuple[Stopping, threading.Thread]] = []

    def add_worker(self, name: str = "w1", labels: dict[str, str] | None = None) -> Stopping:
        """A worker at work in a thread of this process."""
        token = self.hub.executors.workers.add(ANA, WorkerDraft(name=name)).token
        return self.start_worker(name, token, labels)

    def start_worker(self, name: str, token: str, labels: dict[str, str] | None = None) -> Stopping:
        """Have one that was added work."""
        stopping = Stopping()
        line = Line(self.balancer.url, token)
        working = Working(
            line, self._folder / name, describe(labels or {}), stopping, say=lambda _: None, kept_bytes=10**9
        )
        thread = threading.Thread(target=working.run, daemon=True)
        thread.start()
        self._workers.append((stopping, thread))
        return stopping

    def task(self, where: Place, code: str, id: str = "run-1.train", labels=None, **changes) -> Task:
        """One Python command with one input, whose outputs lie in `model`."""
        limits = {"timeout_s": 30.0, "memory_bytes": 2 << 30} | changes.pop("limits", {})
        body = b"the rows"
        sha256 = self.hub.blobs.put_bytes(body)
        return Task(
            id=id,
            command=("python", "-c", code),
            model="lines",
            step="train",
            env={"EW_INPUT_DIR": "{task}/input", "EW_MODEL_DIR": "{task}/model"},
            cwd="code",
            inputs=(FileRef(path="input/rows.txt", sha256=sha256, size_bytes=len(body)),),
            folders=("model",),
            outputs=("model",),
            limits=Limits(**limits),
            where=Where(kind=where, labels=labels or {}),
            **changes,
        )

    def run(self, task: Task, on_line=lambda line: None, is_cancelled=lambda: False) -> Finished:
        return self.hub.executors.run(task, on_line, is_cancelled)

    def close(self) -> None:
        for stopping, _ in self._workers:
            stopping.ask_now()
        for worker in self.hub.executors.workers.workers():
            self.hub.executors.workers.drain(ANA, worker.name)  # whoever waits for work is told
        self._server.should_exit = True
        self._serving.join()
        for _, thread in self._workers:
            thread.join(60)
        self.balancer.close()
        self.ray.close()
        self.ci.close()
        self.hub.serving.close()
        self.hub.db.close()


@contextlib.contextmanager
def places_in(folder: Path, **settings: object) -> Iterator[Places]:
    """All places, and nobody at work yet."""
    places = Places(folder, **settings)
    try:
        yield places
    finally:
        places.close()


def entrypoint_words(call: bytes) -> list[str]:
    """The words of the command that a Ray cluster was asked to run."""
    return shlex.split(json.loads(call)["entrypoint"])
