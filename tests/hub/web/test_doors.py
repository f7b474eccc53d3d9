"""Every door of the people's API: who is turned away, what a rehearsal leaves, and what nonsense is answered with."""

from __future__ import annotations

import inspect
import json
import re

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from edgewright.contract.api import Role, UserDraft
from edgewright.hub.data.table import sample
from edgewright.hub.db import metadata
from edgewright.hub.web import (
    files,
    fleet,
    judging,
    observation,
    people,
    registry,
    releases,
    runs,
    samples,
    targets,
    triggers,
)
from edgewright.hub.web.server import build_app
from scenes.dashboard import NOW, PASSWORD, USER, filled_hub

DOORS = [
    (method, re.sub(r"{[^:}]*:(\w+)}", lambda kind: "1" if kind[1] == "int" else "x", path), handler)
    for room in (people, files, samples, registry, targets, runs, triggers, judging, releases, fleet, observation)
    for handler in room.ROUTES
    for path in handler.paths
    for method in handler.http_methods
]
GUARDED = [door for door in DOORS if door[1] != "/login" and not door[1].startswith("/hooks/")]
CHANGES = [door for door in GUARDED if door[0] in ("POST", "PUT", "DELETE")]
HUGE = 10**20


def named(doors):
    return [f"{method} {path}" for method, path, _ in doors]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    hub = filled_hub(tmp_path_factory.mktemp("doors"))
    hub.people.create("test", UserDraft(name="root", password=PASSWORD, roles=(Role.ADMIN,)))
    for model, dataset in (("wine", "wine"), ("defects", "defects")):
        files = [{"path": "train.py", "sha256": hub.blobs.put_bytes(b"pass"), "size_bytes": 4}]
        draft = {"model": model, "dataset": dataset, "command": "python train.py", "code": files}
        with TestClient(build_app(hub)) as web:
            ask(web, token(hub, "root"), "POST", "/pipelines", draft)
    with hub.db.write() as connection:
        facts = {"id": "s", "model": "wine", "version": 1, "device": "d", "request": "r", "reference": ""}
        row = facts | {"chosen_as": "reservoir", "uncertainty": 0.5, "at": NOW, "sha256": "0" * 64}
        connection.execute(sa.insert(sample).values(**row))
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def web(hub):
    with TestClient(build_app(hub)) as web:
        yield web


@pytest.fixture(scope="module")
def viewer(hub):
    return token(hub, USER)


@pytest.fixture(scope="module")
def admin(hub):
    return token(hub, "root")


def token(hub, user: str) -> str:
    return hub.people.login(user, PASSWORD).token


def ask(web: TestClient, bearer: str, method: str, path: str, body: object = None, raw: bytes = b""):
    headers = {"content-type": "application/json"}
    headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
    content = raw or (b"" if body is None else json.dumps(body).encode())
    return web.request(method, f"/api/v1{path}", content=content, headers=headers)


@pytest.mark.parametrize("door", GUARDED, ids=named(GUARDED))
@pytest.mark.parametrize("bearer", ["", "ewt_forged"])
def test_a_stranger_is_let_in_nowhere(web, door, bearer):
    method, path, _ = door

    assert ask(web, bearer, method, path, {}).status_code == 401


BODIES = {
    "/targets": {"toml": "id = 1"},
    "/users": {"name": "dry", "password": PASSWORD, "roles": ["viewer"]},
    "/snapshots": {"dataset": "dry", "files": [{"path": "a", "sha256": "CODE", "size_bytes": 4}]},
    "/labels": [{"sample": "s", "label": 1}],
    "/models/x/versions": {"source_sha256": "0" * 64},
    "/models/x/versions/1/optimize": {"targets": ["cpu-fp32"]},
    "/models/x/versions/1/studies/x/choose": {"trial": "t1"},
    "/pipelines": {"model": "dry", "dataset": "d", "command": "c", "code": []},
    "/models/x/data-policy": {"may_leave": True},
    "/erasures": {"subject": "x"},
    "/train": {"model": "wine", "snapshot": ""},
    "/triggers": {"name": "dry", "model": "wine", "when": {"on": "request"}},
    "/evaluations": {"model": "wine", "challenger": 1},
    "/models/x/policy": {"promote": "ask"},
    "/approvals": {"approval": "promote:wine@1", "is_yes": True},
    "/releases": {"model": "defects", "version": 1},
    "/releases/x/1/signatures": [],
    "/releases/x/1/content-signatures": [],
    "/releases/x/1/approve": {},
    "/bundles": {"releases": ["defects/1"]},
    "/claims": {},
    "/groups": {"name": "dry", "selector": "all"},
    "/rollouts": {"release": "defects/1", "group": "g", "waves": [1]},
    "/runs/x/cancel": {},
    "/devices/x/revoke": {},
    "/rollouts/x/pause": {},
    "/rollouts/x/resume": {},
    "/rollouts/x/abort": {},
}


@pytest.mark.parametrize("door", CHANGES, ids=named(CHANGES))
def test_a_viewer_changes_nothing(hub, web, viewer, door):
    method, path, _ = door
    before = counts(hub)

    reply = ask(web, viewer, method, path, BODIES.get(path, {}))

    assert reply.status_code == 403, reply.text
    assert counts(hub) == before


@pytest.mark.parametrize("door", [door for door in CHANGES if door[0] == "POST"], ids=lambda door: door[1])
def test_every_change_can_be_rehearsed(door):
    _, _, handler = door

    assert "dry_run" in inspect.signature(handler.fn).parameters


@pytest.mark.parametrize(
    ("path", "of"),
    [
        ("/users", "/users"),
        ("/labels", "/labels"),
        ("/pipelines", "/pipelines"),
        ("/triggers", "/triggers"),
        ("/claims", "/claims"),
        ("/groups", "/groups"),
        ("/models/wine/policy", "/models/x/policy"),
        ("/rollouts/defects-3-1/pause", "/rollouts/x/pause"),
        ("/rollouts/defects-3-1/abort", "/rollouts/x/abort"),
        ("/runs/optimize-0/cancel", "/runs/x/cancel"),
        ("/devices/d-00000001/revoke", "/devices/x/revoke"),
    ],
)
def test_a_rehearsal_leaves_everything_as_it_was(hub, web, admin, path, of):
    before = contents(hub)

    reply = ask(web, admin, "POST", f"{path}?dry_run=true", BODIES[of])

    assert reply.status_code in (200, 201), reply.text
    assert contents(hub) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/models/wine/versions/{HUGE}", None),
        ("GET", f"/releases/wine/{HUGE}", None),
        ("GET", f"/snapshots/wine/{HUGE}", None),
        ("GET", f"/audit?after={-HUGE}", None),
        ("POST", "/train", {"model": "wine", "snapshot": "wine@" + "9" * 5000}),
        ("POST", "/rollouts", {"release": "wine/" + "9" * 5000, "group": "g", "waves": [1]}),
        ("POST", "/rollouts", {"release": f"wine/{HUGE}", "group": "g", "waves": [1]}),
        ("GET", "/blobs/..%2f..%2fhub.sqlite", None),
    ],
)
def test_numbers_and_names_out_of_all_range_are_mistakes_of_the_caller(web, admin, method, path, body):
    reply = ask(web, admin, method, path, body)

    assert 400 <= reply.status_code < 500
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "\xff\xfe", "selector": "all"}',
        b'{"model": "m", "dataset": "d", "command": "c", "code": [], "params": {"a": '
        + b"[" * 50_000
        + b"]" * 50_000
        + b"}}",
    ],
    ids=["no utf-8", "nested too deep"],
)
def test_a_body_that_cannot_be_read_is_a_mistake_of_the_caller(web, admin, raw):
    path = "/groups" if b"selector" in raw else "/pipelines"

    assert ask(web, admin, "POST", path, raw=raw).status_code == 400


@pytest.mark.parametrize(
    "path", ["../x.py", "/tmp/x.py", "a/../../x.py", "a//b", "", ".", "a\\b", "a\0b", "a\nb", "x" * 300]
)
def test_code_of_a_pipeline_stays_in_its_folder(hub, web, admin, path):
    code = [{"path": path, "sha256": hub.blobs.put_bytes(b"pass"), "size_bytes": 4}]

    reply = ask(web, admin, "POST", "/pipelines", BODIES["/pipelines"] | {"code": code})

    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == "code.path"


@pytest.mark.parametrize(
    ("field", "value"),
    [("command", ""), ("command", "python 'x"), ("command", "a\0b"), ("timeout_s", 0), ("timeout_s", -1)],
)
def test_a_pipeline_that_cannot_run_is_refused(web, admin, field, value):
    reply = ask(web, admin, "POST", "/pipelines", BODIES["/pipelines"] | {field: value})

    assert reply.status_code == 422
    assert reply.json()["error"]["field"] == field


def counts(hub) -> dict[str, int]:
    with hub.db.read() as connection:
        tables = metadata.sorted_tables
        return {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables}


def contents(hub) -> dict[str, list]:
    with hub.db.read() as connection:
        return {table.name: connection.execute(sa.select(table)).all() for table in metadata.sorted_tables}
