"""What a trigger waits for survives the hub: pushes whose debounce ends while it is dead begin one run after it."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from edgewright.cli.demo.site import examples_folder
from scenes.desk import Desk, until

pytestmark = pytest.mark.e2e

DEBOUNCE_S = 3.0


@pytest.fixture
def desk(tmp_path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    try:
        desk.start_hub()
        yield desk
    finally:
        desk.close()


def test_pushes_that_wait_begin_one_run_although_the_hub_is_killed_and_they_are_sent_again(desk):
    store_pipeline(desk)
    words = ["--on", "code", "--branch", "main", "--debounce", f"{DEBOUNCE_S:.0f}s", "--cooldown", "0s"]
    (hook,) = desk.done("trigger", "set", "wine", "--name", "code", *words)

    first = push(desk, hook, "a")
    second = push(desk, hook, "b")
    desk.kill_hub()
    time.sleep(DEBOUNCE_S)  # it passes while nobody is there to see it
    desk.start_hub()
    until(lambda: states(desk)[0] == "fired", "what waited has begun a run")
    again = [push(desk, hook, "a"), push(desk, hook, "b")]

    assert (first["state"], second["state"]) == ("waiting", "waiting")
    assert [reply["state"] for reply in again] == [None, None]
    assert states(desk) == ["fired", "joined"]
    assert len(desk.done("run", "ls", "--kind", "pipeline")) == 1
    refused = desk.run("trigger", "fire", "code", "--dry-run")
    assert (refused.code, "still at work" in refused.out) == (0, True)
    assert desk.run("audit", "verify").code == 0


def store_pipeline(desk: Desk) -> None:
    project = desk.home / "project"
    shutil.copytree(examples_folder() / "wine", project)
    subprocess.run([sys.executable, "make_data.py"], cwd=project, check=True, capture_output=True)
    desk.done("data", "snapshot", "wine", str(project / "data"))
    desk.done("train", "--project", str(project))


def push(desk: Desk, hook: dict, revision: str) -> dict:
    body = json.dumps({"ref": "refs/heads/main", "after": revision * 40, "commits": []}).encode()
    tag = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={tag}", "X-GitHub-Event": "push", "Content-Type": "application/json"}
    reply = httpx.post(f"{desk.url}/api/v1/hooks/code", content=body, headers=headers, timeout=30)
    assert reply.status_code == 202, reply.text
    return reply.json()


def states(desk: Desk) -> list[str]:
    return [record["state"] for record in desk.done("trigger", "history", "code")]
