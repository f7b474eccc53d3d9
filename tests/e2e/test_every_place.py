"""The one suite for every place where tasks run: beside the hub, at a worker, on Ray, in one's own CI."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from edgewright.contract.api.tasks import Finished, Place
from edgewright.contract.api.workers import TaskState
from edgewright.hub.automate.executors.model import AlreadyEnded
from edgewright.hub.automate.executors.queue import Scope
from scenes.places import Places, places_in

pytestmark = pytest.mark.e2e

REMOTE = [place for place in Place if place is not Place.LOCAL]
TRAINS = """
import os, pathlib
rows = pathlib.Path(os.environ['EW_INPUT_DIR'], 'rows.txt').read_text()
print('learns', rows)
model = pathlib.Path(os.environ['EW_MODEL_DIR'])
model.joinpath('model.onnx').write_text(rows.upper())
model.joinpath('deep').mkdir()
model.joinpath('deep', 'metrics.json').write_text('{}')
print('learned')
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    with places_in(tmp_path_factory.mktemp("places")) as places:
        places.add_worker()
        yield places


@pytest.fixture
def run(places: Places, request):
    """Run code as a task named after the test."""
    numbers = iter(range(100))

    def run(where, code, on_line=lambda line: None, is_cancelled=lambda: False, **changes) -> Finished:
        id = changes.pop("id", f"{request.node.callspec.id}-{request.function.__name__}-{next(numbers)}")
        return places.run(places.task(where, code, id=id, **changes), on_line, is_cancelled)

    return run


@pytest.mark.parametrize("where", Place)
def test_a_task_gets_its_inputs_says_what_it_does_and_brings_what_it_left(places, run, where):
    heard: list[str] = []

    finished = run(where, TRAINS, heard.append)

    assert finished.is_ok, finished.reason
    assert [line for line in heard if line.startswith("learn")] == ["learns the rows", "learned"]
    assert [file.path for file in finished.outputs] == ["model/deep/metrics.json", "model/model.onnx"]
    assert places.hub.blobs.path(finished.outputs[1].sha256).read_text() == "THE ROWS"
    assert finished.environment["python"].startswith("3.")
    assert finished.where


@pytest.mark.parametrize("where", Place)
def test_a_command_that_fails_is_told_by_its_status_and_its_words(run, where):
    finished = run(where, "import sys; print('no such column: label'); sys.exit(3)")

    assert (finished.returncode, finished.reason) == (3, "ended with status 3")
    assert "no such column: label" in finished.output
    assert finished.outputs == ()


@pytest.mark.parametrize("where", Place)
def test_a_command_that_hangs_is_ended_in_time(run, where):
    began = time.monotonic()

    finished = run(where, "import time; time.sleep(600)", limits={"timeout_s": 1.5})

    assert finished.reason == "did not end in time"
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("where", Place)
def test_a_command_that_leaves_no_model_is_told_so_by_what_comes_back(run, where):
    finished = run(where, "print('forgot it')")

    assert finished.is_ok
    assert finished.outputs == ()


@pytest.mark.parametrize("where", Place)
def test_more_than_may_come_back_does_not(run, where):
    code = "import os; open(os.environ['EW_MODEL_DIR'] + '/model.onnx', 'wb').write(bytes(2_000_000))"

    finished = run(where, code, limits={"output_bytes": 1_000_000})

    assert finished.reason == "left 2,000,000 bytes, more than the 1,000,000 that may come back"


@pytest.mark.parametrize("where", Place)
def test_a_command_that_fills_the_disk_with_many_files_is_ended_with_the_reason(run, where):
    code = "import itertools\nfor n in itertools.count(): open(f'part-{n}', 'wb').write(bytes(500_000))"

    finished = run(where, code, limits={"disk_bytes": 20_000_000})

    assert finished.reason == "wrote more than 20,000,000 bytes to the disk"


@pytest.mark.parametrize("where", Place)
def test_a_talkative_command_loses_old_words_and_no_new_ones(run, where):
    heard: list[str] = []

    finished = run(where, "for n in range(50_000): print('line', n)", heard.append)

    assert finished.is_ok
    assert finished.output.endswith("line 49999\n")
    assert "line 49999" in heard[-2:], "the last line is told; a worker's name may follow it"


@pytest.mark.parametrize("where", Place)
def test_a_task_that_is_cancelled_ends_with_its_processes(run, where):
    cancelled, word = threading.Event(), f"sleeps-{where}-{os.getpid()}-{time.monotonic():.0f}"
    code = f"import os, time; print('begun', flush=True); os.execvp('sleep', ['{word}', '600'])"

    def hear(line: str) -> None:
        if line == "begun":
            cancelled.set()

    finished = run(where, code, hear, cancelled.is_set)

    assert finished.is_cancelled
    assert finished.reason == "was cancelled"
    ends_at = time.monotonic() + 20
    while word in processes():
        assert time.monotonic() < ends_at
        threading.Event().wait(0.1)


@pytest.mark.parametrize("where", REMOTE)
def test_a_task_outlives_a_hub_that_cannot_be_reached_for_a_while(places, run, where):
    code = "import time; print('begun', flush=True); time.sleep(3)\n" + TRAINS
    mend = threading.Timer(5, lambda: setattr(places, "is_cut", False))

    def hear(line: str) -> None:
        if line == "begun":
            places.is_cut = True
            mend.start()

    finished = run(where, code, hear)

    assert finished.is_ok, finished.reason
    assert len(finished.outputs) == 2


@pytest.mark.parametrize("where", REMOTE)
def test_the_first_answer_counts_and_may_be_repeated(places, run, where):
    finished = run(where, TRAINS, id=f"{where}-twice")
    tasks = places.hub.executors.tasks
    record = tasks.get(f"{where}-twice")
    grant = tasks.grant(record, tasks.task(record.id), Scope.ALL)

    again = tasks.end(record.id, grant, finished)

    assert again.state is TaskState.ENDED
    with pytest.raises(AlreadyEnded):
        tasks.end(record.id, grant, Finished(returncode=1, reason="ended with status 1"))
    assert tasks.get(record.id).finished == finished


@pytest.mark.parametrize("where", Place)
def test_the_same_task_asked_for_again_ends_alike(run, where):
    first, second = (run(where, TRAINS, id=f"{where}-again") for _ in range(2))

    assert first.outputs == second.outputs


def processes() -> str:
    """The commands of all processes of this machine."""
    said = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            said += path.read_bytes()
    return said.decode("utf-8", "replace")
