"""A real Ray: `ray start --head`, then EDGEWRIGHT_TEST_RAY=http://127.0.0.1:8265 with `-m slow`."""

from __future__ import annotations

import os
import threading

import pytest

from edgewright.contract.api.tasks import Place
from edgewright.hub.automate.executors.ray import JobStatus, RayJobs
from scenes.places import places_in

URL = os.environ.get("EDGEWRIGHT_TEST_RAY", "")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not URL, reason="EDGEWRIGHT_TEST_RAY names no dashboard")]

LEAVES = """
import os, pathlib
print('learns', pathlib.Path(os.environ['EW_INPUT_DIR'], 'rows.txt').read_text())
pathlib.Path(os.environ['EW_MODEL_DIR'], 'model.onnx').write_text('weights')
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    with places_in(tmp_path_factory.mktemp("ray"), ray_url=URL) as places:
        yield places


@pytest.fixture
def task(places, request):
    def task(code, **changes):
        id = f"{os.getpid()}-{request.function.__name__}"
        return places.task(Place.RAY, code, id=id, **({"limits": {"timeout_s": 300.0}} | changes))

    return task


def test_a_job_gets_its_inputs_says_what_it_does_and_brings_what_it_left(places, task):
    heard: list[str] = []

    finished = places.run(task(LEAVES, labels={"cpu": "1"}), heard.append)

    assert finished.is_ok, finished.reason
    assert "learns the rows" in heard
    assert places.hub.blobs.path(finished.outputs[0].sha256).read_text() == "weights"


def test_a_job_that_fails_is_told_by_its_status(places, task):
    finished = places.run(task("import sys; print('no such column'); sys.exit(3)"))

    assert (finished.returncode, finished.reason) == (3, "ended with status 3")
    assert "no such column" in finished.output


def test_a_job_that_is_cancelled_is_stopped_there(places, task):
    begun = threading.Event()
    wanted = task("import time; print('begun', flush=True); time.sleep(3000)")

    finished = places.run(wanted, lambda line: begun.set() if line == "begun" else None, begun.is_set)

    assert finished.is_cancelled
    jobs = RayJobs(URL)
    for _ in range(300):
        job = jobs.find(f"edgewright-{wanted.id}")
        if job is not None and job.status.is_over:
            break
        threading.Event().wait(0.2)
    assert job.status in (JobStatus.STOPPED, JobStatus.FAILED)


def test_a_job_that_cannot_reach_the_hub_is_told_with_the_end_of_its_log(places, task):
    heard: list[str] = []
    places.is_cut = True

    try:
        finished = places.run(task(LEAVES), heard.append)
    finally:
        places.is_cut = False

    assert finished.reason.startswith("brought no answer; Ray says of the job: FAILED")
    assert any(line.startswith("Ray | ") and "cannot be reached" in line for line in heard)


def test_jobs_and_ids_that_are_not_there_are_told_apart_from_a_cluster_that_is_away():
    assert RayJobs(URL).find("no-such-job") is None
