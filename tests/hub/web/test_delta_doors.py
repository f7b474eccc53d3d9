"""The doors to the deltas of a release: what was made, for how many devices, and another try."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from edgewright.contract.api import Role, UserDraft
from edgewright.hub.packaging import table
from edgewright.hub.web.server import build_app
from scenes.dashboard import PASSWORD

OLD, NEW = "1" * 64, "2" * 64


@pytest.fixture
def rolled(hub):
    """Release digits/2 is rolled out to a device that runs digits/1, whose delta has failed."""
    with hub.db.write() as connection:
        for counter, manifest in ((1, OLD), (2, NEW)):
            facts = {"model": "digits", "counter": counter}
            release = {"version": counter, "digest": "", "state": "ready", "author": "ana", "created_at": 1.0}
            connection.execute(sa.insert(table.release).values(**facts, **release))
            package = {"target": "cpu", "path": "", "manifest_sha256": manifest, "manifest_bytes": 1}
            connection.execute(sa.insert(table.package).values(**facts, **package, size_bytes=9_000, recipe=[]))
            file = {"name": "model.onnx", "role": "model", "sha256": f"{counter}" * 64, "size_bytes": 9_000}
            connection.execute(sa.insert(table.package_file).values(manifest_sha256=manifest, model="digits", **file))
        pair = {"base_sha256": "1" * 64, "result_sha256": "2" * 64, "sha256": "", "size_bytes": 0}
        times = {"created_at": 1.0, "cpu_s": 2.0, "used_at": 0.0, "result_bytes": 9_000}
        connection.execute(sa.insert(table.delta).values(**pair, **times, state="failed", reason="out of time"))
        connection.execute(sa.insert(table.delta_need).values(base_manifest=OLD, result_manifest=NEW, devices=5))
    return hub


@pytest.fixture
def operator(rolled):
    """A program that an operator has given a token."""
    rolled.people.create("test", UserDraft(name="olga", password=PASSWORD, roles=(Role.OPERATOR,)))
    token = rolled.people.login("olga", PASSWORD).token
    with TestClient(build_app(rolled)) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_a_delta_is_shown_with_its_reason_and_the_devices_that_run_its_base_now(rolled, operator):
    (record,) = operator.get("/api/v1/releases/digits/2/deltas").json()

    assert (record["base"], record["target"], record["file"]) == ("digits/1", "cpu", "model.onnx")
    assert (record["state"], record["reason"], record["devices"]) == ("failed", "out of time", 0)
    assert operator.get("/api/v1/releases/digits/1/deltas").json() == []
    assert operator.get("/api/v1/releases/digits/9/deltas").status_code == 404


def test_another_try_is_queued_and_a_rehearsal_of_it_is_not(rolled, operator):
    url = "/api/v1/releases/digits/2/deltas/retry"

    (rehearsed,) = operator.post(url, params={"dry_run": True}, json={}).json()
    before = rolled.jobs.runs("deltas")
    (tried,) = operator.post(url, json={}).json()

    assert (rehearsed["state"], before) == ("failed", [])
    assert tried["state"] == "queued"
    assert [run.subject for run in rolled.jobs.runs("deltas")] == ["digits/2"]
