"""Tasks that others do, over real HTTP: what each may open, whose answer counts, and what becomes of who is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from edgewright.contract.api import FileRef, Role, UserDraft
from edgewright.contract.api.tasks import Finished, Place, Task, Where
from edgewright.contract.api.workers import Beat, TaskState, WorkerDraft, WorkerState
from edgewright.contract.errors import Told
from edgewright.contract.webhook import secret_of, sign
from edgewright.hub.automate.executors.model import NotConfigured
from edgewright.hub.automate.executors.queue import LEASE_S, Grants, Tasks, Workers
from edgewright.hub.automate.executors.queue.following import ByWorkers, Following, News
from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.worker import Line, describe
from scenes.places import ANA, SECRET, places_in

pytestmark = pytest.mark.e2e

LEAVES = "import os, pathlib; pathlib.Path(os.environ['EW_MODEL_DIR'], 'model.onnx').write_text('weights')"


@pytest.fixture
def places(tmp_path):
    with places_in(tmp_path) as places:
        yield places


@pytest.fixture
def begun(places):
    """Run a task in a thread of its own; what it says is in `heard`."""
    with ThreadPoolExecutor() as pool:

        def begin(where, code=LEAVES, heard=None, **changes):
            task = places.task(where, code, **changes)
            return pool.submit(places.run, task, (heard if heard is not None else []).append)

        yield begin
        for record in places.hub.executors.tasks.tasks():
            places.hub.executors.tasks.stop(record.id, Finished(reason="is over"))


def token_of(places, name="w1", **draft) -> str:
    return places.hub.executors.workers.add(ANA, WorkerDraft(name=name, **draft)).token


def until(holds, seconds=20.0):
    ends_at = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < ends_at, "it did not come about in time"
        threading.Event().wait(0.05)
    return found


def ask(line: Line):
    return until(lambda: line.ask(describe({})).lease)


# -- what a worker may do


def test_a_worker_s_token_opens_no_door_but_those_of_its_work(places):
    http = httpx.Client(base_url=places.balancer.url, headers={"authorization": f"Bearer {token_of(places)}"})

    replies = {
        path: http.get(f"/api/v1/{path}").json()["error"]["code"]
        for path in ("models", "runs", "snapshots", "samples", "users", "audit", "workers", "tasks", "overview")
    }
    sha256 = places.hub.blobs.put_bytes(b"a secret model")

    assert set(replies.values()) == {"forbidden"}
    assert http.get(f"/api/v1/blobs/{sha256}").status_code == 403
    assert http.put(f"/api/v1/blobs/{sha256}", content=b"a secret model").status_code == 403
    assert http.post("/api/v1/workers", json={"name": "w9"}).status_code == 403
    assert http.post("/api/v1/work", json={}).status_code == 200


def test_a_worker_that_has_hung_up_gets_no_task(places, begun):
    headers = {"authorization": f"Bearer {token_of(places)}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{places.balancer.url}/api/v1/work", json={"wait_s": 20.0}, headers=headers, timeout=0.5)

    running = begun(Place.WORKER)
    places.add_worker("w2")

    assert running.result(30).where == "worker w2"
    assert places.hub.executors.tasks.get("run-1.train").attempt == 1


def test_people_and_strangers_get_no_tasks(places):
    draft = UserDraft(name="viewer", password="a long password", roles=(Role.VIEWER,))
    places.hub.people.create("test", draft)
    token = places.hub.people.login("viewer", "a long password").token

    for word, status in ((token, 403), ("eww_unknown", 401), ("ewt_unknown", 401)):
        reply = httpx.post(f"{places.balancer.url}/api/v1/work", json={}, headers={"authorization": f"Bearer {word}"})
        assert reply.status_code == status


def test_a_worker_that_was_taken_off_is_out_at_once(places):
    token = token_of(places)
    line = Line(places.balancer.url, token)

    places.hub.executors.workers.remove(ANA, "w1")

    with pytest.raises(Told) as told:
        line.ask(describe({}))
    assert told.value.exit_code == 4


# -- waiting, labels, leases


def test_a_task_no_worker_fits_waits_and_says_for_which_labels(places, begun):
    heard: list[str] = []
    places.add_worker("w1", {"site": "lab"})
    until(lambda: places.hub.executors.workers.worker("w1").state is WorkerState.IDLE)

    running = begun(Place.WORKER, heard=heard, labels={"gpu": "true"})

    told = until(lambda: next((line for line in heard if "gpu=true" in line), ""))
    assert "waits for a worker with gpu=true: there are 1, and none fits: w1 (arch=" in told
    assert "site=lab" in told
    places.add_worker("w2", {"gpu": "true"})
    assert running.result(30).where == "worker w2"
    assert places.hub.executors.tasks.get("run-1.train").state is TaskState.ENDED


def test_a_worker_that_dies_loses_its_task_to_another_and_its_late_answer_is_refused(places, begun):
    first = Line(places.balancer.url, token_of(places, "w1"))
    running = begun(Place.WORKER)
    lease = ask(first)
    places.later_s += LEASE_S + 5  # w1 has died

    places.add_worker("w2")

    assert running.result(30).where == "worker w2"
    with pytest.raises(Told) as late:
        first.end(lease, Finished(returncode=0))
    assert late.value.code == "lease_lost"


def test_a_worker_process_that_is_killed_leaves_nothing_running_and_loses_its_task(places, begun, tmp_path):
    token = token_of(places, "w1")
    heard: list[str] = []
    running = begun(
        Place.WORKER, "import os; print('begun', flush=True); os.execvp('sleep', ['sleeps-for-w1', '3'])", heard
    )
    process = start_worker(places, token, tmp_path)
    until(lambda: "begun" in heard, 60)

    process.kill()
    process.wait()

    until(lambda: b"sleeps-for-w1" not in commands())
    places.later_s += LEASE_S + 5
    places.add_worker("w2")
    finished = running.result(60)
    assert (finished.is_ok, finished.where) == (True, "worker w2")
    assert places.hub.executors.tasks.get("run-1.train").attempt == 2


def test_a_worker_process_ends_by_signals_as_it_says(places, begun, tmp_path):
    token = token_of(places, "w1")
    idle = start_worker(places, token, tmp_path)
    until(lambda: places.hub.executors.workers.worker("w1").state is WorkerState.IDLE, 60)
    idle.send_signal(signal.SIGINT)
    assert idle.wait(10) == 0

    heard: list[str] = []
    begun(Place.WORKER, "import time; print('begun', flush=True); time.sleep(600)", heard)
    busy = start_worker(places, token, tmp_path)
    until(lambda: "begun" in heard, 60)
    busy.send_signal(signal.SIGTERM)

    assert busy.wait(20) == 0
    record = places.hub.executors.tasks.get("run-1.train")
    assert (record.state, record.why) != (TaskState.TAKEN, "")


def test_a_command_at_a_worker_sees_neither_its_token_nor_its_files(places, begun, tmp_path):
    (tmp_path / "worker").mkdir()
    token_file = tmp_path / "worker" / "token"
    token_file.write_text(token_of(places, "w1"))
    heard: list[str] = []
    code = (
        "import os\n"
        f"try: print('token', open({str(token_file)!r}).read())\n"
        "except OSError as error: print('token', type(error).__name__)\n"
        "print('environment', [name for name in os.environ if 'TOKEN' in name])\n"
        "print('processes', len([name for name in os.listdir('/proc') if name.isdecimal()]))\n"
    )
    running = begun(Place.WORKER, code, heard)

    process = start_worker(places, "", tmp_path, "--token-file", str(token_file), "--once")

    assert running.result(60).is_ok
    process.wait(20)
    if any("note: this kernel" in line for line in heard):
        pytest.skip("this kernel lets us make no namespaces")
    assert [line for line in heard if line.startswith(("token", "environment", "processes"))] == [
        "token FileNotFoundError",
        "environment []",
        "processes 2",
    ]


# -- what is brought


def test_bytes_that_have_another_digest_or_are_too_many_are_refused(places, begun):
    begun(Place.WORKER, limits={"output_bytes": 1000})
    line = Line(places.balancer.url, token_of(places))
    lease = ask(line)
    doors = f"{places.balancer.url}/api/v1/tasks/{lease.task.id}/outputs"

    other = httpx.put(f"{doors}/{'0' * 64}", params={"grant": lease.grant}, content=b"weights")
    many = httpx.put(f"{doors}/{'0' * 64}", params={"grant": lease.grant}, content=bytes(1001))
    file = FileRef(path="model/m", sha256="0" * 64, size_bytes=7)
    with pytest.raises(Told) as unbrought:
        line.end(lease, Finished(returncode=0, outputs=(file,)))

    assert (other.status_code, "the body's SHA-256 is" in other.text) == (422, True)
    assert (many.status_code, many.json()["error"]["code"]) == (422, "too_much_output")
    assert "was not brought as it says" in unbrought.value.message


def test_hostile_words_of_a_worker_are_refused_or_bounded(places, begun):
    begun(Place.WORKER)
    line = Line(places.balancer.url, token_of(places))
    lease = ask(line)
    doors = f"{places.balancer.url}/api/v1/tasks/{lease.task.id}"

    for door, body in [
        ("beat", b'{"log": "' + b"x" * 70_000 + b'"}'),
        ("beat", b'{"log_from": -1}'),
        ("beat", b"[" * 10_000),
        ("end", b'{"returncode": 0, "outputs": [{"path": "../../etc/passwd", "sha256": "0", "size_bytes": 1}]}'),
        ("end", b'{"returncode": "zero"}'),
        ("end", b"\xff"),
    ]:
        reply = httpx.post(f"{doors}/{door}", params={"grant": lease.grant}, content=body)
        assert 400 <= reply.status_code < 500, (door, body[:40], reply.text)
    assert line.beat(lease, Beat(log="fine\n")).is_wanted


# -- one's own CI


@pytest.fixture
def called(places, begun):
    """What an idle CI was told of a task."""
    places.ci.is_idle = True
    running = begun(Place.CI)
    call = until(lambda: places.ci.calls)[0]
    return running, json.loads(call[1])["data"]


def answer(told, body: bytes, secret=SECRET, at=None, id="answer-1") -> httpx.Response:
    headers = sign(secret, id, time.time() if at is None else at, body)
    return httpx.post(told["described"]["end_url"], content=body, headers=headers)


def test_an_answer_without_our_secret_or_too_old_is_refused_and_the_right_one_counts(places, called):
    running, told = called
    fine, other = b'{"returncode": 0}', b'{"returncode": 1}'

    unsigned = httpx.post(told["described"]["end_url"], content=fine)
    foreign = answer(told, fine, secret_of(bytes(32)))
    stale = answer(told, fine, at=time.time() - 301)
    swapped = httpx.post(told["described"]["end_url"], content=other, headers=sign(SECRET, "a", time.time(), fine))

    for reply, words in [
        (unsigned, "has no id or no time"),
        (foreign, "signature is not that of its body"),
        (stale, "not sent in the last five minutes"),
        (swapped, "signature is not that of its body"),
    ]:
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "hostile_input")
        assert words in reply.json()["error"]["message"]
    assert not running.done()
    assert answer(told, fine).status_code == 200
    assert answer(told, fine).status_code == 200  # a repetition changes nothing
    assert answer(told, other).json()["error"]["code"] == "already_ended"
    assert running.result(10).is_ok


def test_a_link_opens_its_own_door_of_its_own_task_alone(places, called):
    _, told = called
    described = told["described"]
    grant_of_reading = described["inputs"][0]["url"].partition("?grant=")[2]
    end_door = described["end_url"].partition("?")[0]

    by_reading = httpx.post(
        end_door, params={"grant": grant_of_reading}, content=b"{}", headers=sign(SECRET, "a", time.time(), b"{}")
    )
    elsewhere = httpx.get(described["inputs"][0]["url"].replace("run-1.train", "run-2.train"))

    assert by_reading.json()["error"]["code"] == "bad_grant"
    assert elsewhere.status_code == 404
    assert httpx.get(described["inputs"][0]["url"]).content == b"the rows"


def test_a_ci_that_fails_says_why(places, called):
    running, told = called

    answer(told, b'{"reason": "no runner was free"}')

    assert running.result(10).reason == "no runner was free"


def test_a_ci_that_never_answers_has_failed_in_the_end(places, called):
    running, _ = called

    places.later_s += 30 + 121

    assert running.result(10).reason == "did not end in time"


def test_only_the_configured_address_is_called_and_redirects_are_not_followed(tmp_path):
    with places_in(tmp_path) as places:
        places.ci.calls.clear()
        places.ci.redirect = f"{places.ray.url}/elsewhere"

        finished = places.run(places.task(Place.CI, LEAVES))

        assert "was refused by the CI: HTTP 307" in finished.reason
        assert places.ray.calls == []


def test_a_place_that_is_not_set_up_is_refused_with_what_to_set(tmp_path):
    with places_in(tmp_path, ray_url="", ci_url="") as places:
        for kind, word in ((Place.RAY, "EDGEWRIGHT_HUB_RAY_URL"), (Place.CI, "EDGEWRIGHT_HUB_CI_SECRET")):
            with pytest.raises(NotConfigured) as refused:
                places.hub.executors.check(Where(kind=kind))
            assert word in refused.value.hint


# -- Ray


def test_a_ray_job_that_dies_without_an_answer_is_told_with_the_end_of_its_log(places, begun):
    heard: list[str] = []
    places.is_cut = True  # the cluster cannot reach the hub

    running = begun(Place.RAY, heard=heard)

    finished = running.result(120)
    assert finished.reason.startswith("brought no answer; Ray says of the job: FAILED")
    assert any(line.startswith("Ray | ") and "cannot be reached" in line for line in heard)


def test_a_cluster_that_does_not_answer_is_given_up(tmp_path):
    with places_in(tmp_path, ray_url="http://127.0.0.1:9") as places:
        finished = places.run(places.task(Place.RAY, LEAVES))

        assert finished.reason.startswith("Ray does not answer")


# -- two hubs


def test_two_hubs_share_the_queue_and_no_task_is_taken_twice(shared_database):
    hubs = [Side(shared_database) for _ in range(2)]
    try:
        tokens = [hubs[n % 2].workers.add(ANA, WorkerDraft(name=f"w{n}")).token for n in range(4)]
        with ThreadPoolExecutor(max_workers=40) as pool:
            wanted = [
                pool.submit(hubs[n % 2].executor.run, side_task(n), lambda _: None, lambda: False) for n in range(12)
            ]
            done = [pool.submit(do_all, hubs, token, number) for number, token in enumerate(tokens)]
            finished = [one.result(120) for one in wanted]
            for hub in hubs:
                hub.is_over.set()
            taken = [id for one in done for id in one.result(30)]

        assert all(one.is_ok for one in finished)
        assert sorted(taken) == sorted(f"t{n}" for n in range(12))
    finally:
        for hub in hubs:
            hub.close()


class Side:
    """A hub as far as its queue goes."""

    def __init__(self, url: str) -> None:
        self.db = Database(url)
        self.db.migrate()
        self.events = Events(self.db, time.time)
        self.tasks = Tasks(self.db, self.events, time.time, Grants(b"k" * 32))
        self.workers = Workers(self.db, self.events, Silent(), time.time, self.tasks)
        self.executor = ByWorkers(self.tasks, self.workers, Following(self.tasks, News(self.events), time.time))
        self.events.start()
        self.is_over = threading.Event()

    def close(self) -> None:
        self.events.stop()
        self.db.close()


class Silent:
    """Records nothing: the audit log has tests of its own."""

    def record(self, *_: object, **__: object) -> None:
        return None


def side_task(number: int) -> Task:
    return Task(id=f"t{number}", command=("true",), where=Where(kind=Place.WORKER))


def do_all(hubs, token: str, number: int) -> list[str]:
    """Ask both hubs in turn and end what they give; the ids."""
    taken = []
    turn = number
    while not hubs[0].is_over.is_set():
        hub = hubs[turn % 2]
        turn += 1
        lease = hub.workers.look(hub.workers.principal(token)).lease
        if lease is None:
            hub.is_over.wait(0.05)
            continue
        taken.append(lease.task.id)
        hubs[turn % 2].tasks.end(lease.task.id, lease.grant, Finished(returncode=0))
    return taken


# -- below


def start_worker(places, token: str, folder, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "edgewright.cli", "worker", "run", "--hub", places.balancer.url]
    return subprocess.Popen(
        [*command, "--dir", str(folder / "worker"), *words],
        env={**os.environ, "EDGEWRIGHT_WORKER_TOKEN": token, "HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )


def commands() -> bytes:
    """The commands of all processes of this machine."""
    said = b""
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdecimal():
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    said += file.read()
    return said
