"""Triggers over HTTP, and pushes as forges, replayers and strangers send them."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json

import pytest
from litestar.testing import TestClient

from edgewright.contract.api import Role, UserDraft
from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD, filled_hub

NAMES = (f"code-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = filled_hub(tmp_path_factory.mktemp("triggers"))
    hub.people.create("test", UserDraft(name="root", password=PASSWORD, roles=(Role.ADMIN,)))
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def web(hub):
    with TestClient(build_app(hub)) as web:
        web.headers["Authorization"] = f"Bearer {hub.people.login('root', PASSWORD).token}"
        code = [{"path": "train.py", "sha256": hub.blobs.put_bytes(b"pass"), "size_bytes": 4}]
        draft = {"model": "wine", "dataset": "wine", "command": "python train.py", "code": code}
        assert web.post("/api/v1/pipelines", json=draft).status_code == 201
        yield web


@pytest.fixture
def hook(web):
    """A trigger on pushes to main, with the secret that was told once."""
    draft = {"name": next(NAMES), "model": "wine", "when": {"on": "code", "branches": ["main"]}}
    reply = web.post("/api/v1/triggers", json=draft)
    assert reply.status_code == 201, reply.text
    return reply.json()


def push(web, hook, *, ref="refs/heads/dev", secret=None, delivery="d1", event="push", body=None):
    content = body if body is not None else json.dumps({"ref": ref, "after": "ab" * 20, "commits": []}).encode()
    tag = hmac.new((hook["secret"] if secret is None else secret).encode(), content, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={tag}", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery}
    headers |= {"Content-Type": "application/json", "Authorization": ""}
    return web.post(f"/api/v1/hooks/{hook['name']}", content=content, headers=headers)


def history(web, hook):
    return web.get(f"/api/v1/triggers/{hook['name']}/history").json()


def test_a_secret_is_told_once(web, hook):
    again = web.get(f"/api/v1/triggers/{hook['name']}").json()
    set_again = web.post("/api/v1/triggers", json=hook["draft"]).json()

    assert hook["secret"].startswith("ews_")
    assert (again["secret"], set_again["secret"]) == ("", "")


def test_a_signed_push_is_decided_upon_and_its_replay_is_known(web, hook):
    first = push(web, hook)
    replays = [push(web, hook), push(web, hook, delivery="another")]

    assert (first.status_code, first.json()["state"]) == (202, "not_fired")
    assert first.json()["note"] == "branch dev is none of main"
    assert [reply.json()["state"] for reply in replays] == [None, None]
    assert len(history(web, hook)) == 1


def test_a_push_to_the_branch_asks_for_a_run(web, hook):
    reply = push(web, hook, ref="refs/heads/main")

    (record,) = history(web, hook)
    assert reply.json()["state"] == record["state"] in ("fired", "not_fired")
    assert record["why"].startswith(("run 1 of", "no run could begin"))


@pytest.mark.parametrize("secret", ["", "ews_guessed"])
def test_a_push_that_is_not_signed_by_the_secret_is_refused(web, hook, secret):
    reply = push(web, hook, secret=secret)

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["field"]) == (401, "wrong_signature", "X-Hub-Signature-256")
    assert "trigger secret" in error["hint"]
    assert history(web, hook) == []


def test_a_name_that_does_not_exist_looks_like_a_wrong_secret(web, hook):
    assert push(web, hook | {"name": "nobody"}).json()["error"]["code"] == "wrong_signature"


def test_a_push_without_any_proof_is_refused_unread(web, hook):
    reply = web.post(f"/api/v1/hooks/{hook['name']}", content=b"x" * 10_000_000)

    assert (reply.status_code, reply.json()["error"]["field"]) == (401, "headers")


@pytest.mark.parametrize("is_told", [True, False], ids=["by its length", "in chunks"])
def test_a_body_of_a_hundred_megabytes_is_refused(web, hook, is_told):
    headers = {"X-Hub-Signature-256": "sha256=00", "Content-Type": "application/json"}
    headers |= {"Content-Length": str(100 * 1024**2)} if is_told else {}
    content = b"x" if is_told else (b"x" * 1024**2 for _ in range(100))
    reply = web.post(f"/api/v1/hooks/{hook['name']}", content=content, headers=headers)

    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["field"]) == (413, "push_too_large", "body")
    assert "trigger fire" in error["hint"]


def test_what_is_no_push_is_answered_and_leaves_nothing(web, hook):
    assert push(web, hook, event="ping").status_code == 202
    assert push(web, hook, body=b"[1]").json()["error"]["code"] == "unreadable_push"
    assert history(web, hook) == []


def test_a_new_secret_ends_the_former(web, hook):
    renewed = web.post(f"/api/v1/triggers/{hook['name']}/secret", json={}).json()

    assert push(web, hook).status_code == 401
    assert push(web, hook, secret=renewed["secret"]).status_code == 202


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"when": {"on": "time", "cron": "0 0 30 2 *"}}, "when.cron"),
        ({"quiet_hours": ["00:00-24:00"]}, "quiet_hours"),
        ({"max_runs": 0}, "max_runs"),
        ({"when": {"on": "monitoring", "kinds": ["vibes"]}}, "when.kinds"),
        ({"when": {"on": "moon"}}, "when"),
        ({"max_runz": 1}, "max_runz"),
    ],
)
def test_what_cannot_be_a_trigger_is_refused_by_its_field(web, changes, field):
    reply = web.post("/api/v1/triggers", json={"name": "bad", "model": "wine", "when": {"on": "request"}} | changes)

    assert reply.status_code in (400, 422)
    assert field in json.dumps(reply.json()["error"])


def test_a_trigger_is_paused_resumed_fired_and_removed(web, hook):
    door = f"/api/v1/triggers/{hook['name']}"
    paused = web.post(f"{door}/pause", json={"reason": "holidays"}).json()
    refused = web.post(f"{door}/fire", json={}).json()
    resumed = web.post(f"{door}/resume", json={}).json()
    gone = web.delete(door)

    assert (paused["is_paused"], resumed["is_paused"]) == (True, False)
    assert (refused["state"], refused["why"]) == ("not_fired", "the trigger is paused")
    assert gone.status_code == 200
    assert web.get(door).status_code == 404
