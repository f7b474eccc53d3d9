"""Serving workers in real processes: started on demand, replaced without loss, and never the supervisor's end."""

from __future__ import annotations

import pytest
from conftest import ModelOnDisk
from misbehaving import Keeping, install, see_faulty_runtime

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _faulty(monkeypatch):
    see_faulty_runtime(monkeypatch)


def test_a_worker_is_started_by_the_first_request_and_answers_it(device: ModelOnDisk):
    active = install(device, "a", 1)
    with Keeping(device.root) as keeping:
        keeping.follow("digits", active)
        before = keeping.wait_for_phase("idle")

        answer = keeping.infer()

        after = keeping.wait_for_phase("ready")
        assert (before.pid, answer.status) == (0, 200), answer.body
        assert (after.version, after.pid > 0) == (1, True)
