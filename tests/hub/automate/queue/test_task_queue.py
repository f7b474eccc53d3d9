"""The queue of tasks on a real database: who gets which, what becomes of leases that end, and which answer counts."""

from __future__ import annotations

import pytest

from edgewright.contract.api import FileRef, Role
from edgewright.contract.api.tasks import Finished, Limits, Place, Task, Where
from edgewright.contract.api.workers import Beat, Machine, Stored, TaskState, WorkAsk, WorkerDraft, WorkerState
from edgewright.contract.errors import InvalidInput, NotLoggedIn
from edgewright.hub.automate.executors.model import (
    AlreadyEnded,
    LeaseLost,
    TooMuchOutput,
    UnknownTask,
    UnknownWorker,
    WorkerExists,
)
from edgewright.hub.automate.executors.queue import FIRST_LEASE_S, LEASE_S, BadGrant, Scope, Workers
from edgewright.hub.automate.executors.queue.workers import AWAY_S

GOOD = Finished(returncode=0, where="anything")
INPUT, OUTPUT = "1" * 64, "2" * 64


@pytest.fixture
def workers(db, events, audit, clock, tasks):
    return Workers(db, events, audit, clock, tasks)


@pytest.fixture
def worker(workers, ana):
    """A worker that has asked once; asks again with `look`."""

    def worker(name: str, given=None, told=None, models=()):
        token = workers.add(ana, WorkerDraft(name=name, labels=given or {}, models=models)).token
        principal = workers.principal(token)
        workers.greet(principal, WorkAsk(machine=Machine(labels=told or {}, cpus=4)))
        return lambda: workers.look(principal).lease

    return worker


def task(id: str = "t1", **labels: str) -> Task:
    return Task(
        id=id,
        command=("true",),
        model="lines",
        inputs=(FileRef(path="input/rows", sha256=INPUT, size_bytes=3),),
        outputs=("model",),
        limits=Limits(timeout_s=60.0, output_bytes=100),
        where=Where(kind=Place.WORKER, labels=labels),
    )


def test_the_oldest_task_that_a_worker_fits_is_its_alone(tasks, worker, clock):
    for number, labels in enumerate([{"gpu": "true"}, {}, {}]):
        clock.now += 1
        tasks.put(task(f"t{number}", **labels))
    plain, strong = worker("plain"), worker("strong", told={"gpu": "true"})

    assert plain().task.id == "t1"
    assert strong().task.id == "t0"
    assert plain() is None  # one at a time
    assert tasks.get("t0").holder == "strong"
    assert tasks.get("t2").state is TaskState.WAITING


def test_what_the_hub_says_of_a_worker_goes_before_what_it_says_itself(tasks, worker):
    tasks.put(task(gpu="true"))

    assert worker("liar", given={"gpu": "false"}, told={"gpu": "true"})() is None


def test_a_worker_gets_tasks_of_the_models_that_it_may_do(tasks, worker):
    tasks.put(task())

    assert worker("w1", models=("digits",))() is None
    assert worker("w2", models=("lines",))() is not None


def test_the_same_task_waits_once(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()

    assert tasks.put(task()).holder == "w1"
    assert tasks.get("t1").attempt == lease.attempt == 1


def test_a_lease_lives_by_its_beats(tasks, worker, clock):
    tasks.put(task())
    lease = worker("w1")()
    second = worker("w2")
    for number in range(3):
        tasks.beat("t1", lease.grant, Beat(log=f"{number}\n", log_from=2 * number))
        clock.now += LEASE_S - 1

    assert second() is None
    assert tasks.log("t1", 2) == ("1\n2\n", 6)


def test_a_task_that_never_reached_who_had_asked_is_soon_another_s(tasks, worker, clock):
    tasks.put(task())
    worker("w1")()
    second = worker("w2")

    clock.now += FIRST_LEASE_S - 1
    assert second() is None
    clock.now += 2
    assert second().attempt == 2


def test_a_lost_lease_gives_the_task_to_another_and_the_late_answer_is_refused(tasks, worker, clock):
    tasks.put(task())
    first, others = worker("w1")(), worker("w2")
    tasks.bring("t1", first.grant, Stored(sha256=OUTPUT, size_bytes=5))
    clock.now += LEASE_S + 1

    second = others()

    assert (second.task.id, second.attempt) == ("t1", 2)
    brought = Finished(returncode=0, outputs=(FileRef(path="model/m", sha256=OUTPUT, size_bytes=5),))
    for act in (
        lambda: tasks.end("t1", first.grant, GOOD),
        lambda: tasks.beat("t1", first.grant, Beat()),
        lambda: tasks.bring("t1", first.grant, Stored(sha256=OUTPUT, size_bytes=5)),
        lambda: tasks.give_back("t1", first.grant, "tired"),
    ):
        with pytest.raises(LeaseLost, match="taken from attempt 1: it is with w2 as attempt 2"):
            act()
    with pytest.raises(InvalidInput, match="was not brought as it says"):
        tasks.end("t1", second.grant, brought)  # by the first, not by this one
    assert tasks.end("t1", second.grant, GOOD).finished.where == "worker w2"
    with pytest.raises(LeaseLost):
        tasks.end("t1", first.grant, GOOD)


def test_a_task_over_which_three_workers_were_lost_has_failed(tasks, worker, clock):
    tasks.put(task())
    for name in ("w1", "w2", "w3"):
        assert worker(name)() is not None
        clock.now += LEASE_S + 1

    tasks.free_lost()

    record = tasks.get("t1")
    assert record.state is TaskState.ENDED
    assert record.finished.reason.startswith("was begun 3 times, and each time its worker was lost: w3")


def test_what_is_given_back_waits_for_another(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()

    tasks.give_back("t1", lease.grant, "this worker was stopped")

    assert tasks.get("t1").why == "w1 gave it back: this worker was stopped"
    assert worker("w2")().attempt == 2


def test_the_first_answer_counts_and_may_be_repeated(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()

    first = tasks.end("t1", lease.grant, GOOD)

    assert tasks.end("t1", lease.grant, GOOD) == first
    with pytest.raises(AlreadyEnded):
        tasks.end("t1", lease.grant, Finished(returncode=1))
    with pytest.raises(LeaseLost, match="has ended: done"):
        tasks.beat("t1", lease.grant, Beat())


def test_a_cancelled_task_tells_its_worker_at_the_next_beat(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()

    tasks.stop("t1", Finished(reason="was cancelled", is_cancelled=True))

    with pytest.raises(LeaseLost, match="has ended: was cancelled"):
        tasks.beat("t1", lease.grant, Beat())
    assert tasks.stop("t1", GOOD).finished.is_cancelled


def test_more_than_may_come_back_is_refused_while_it_comes(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()
    tasks.bring("t1", lease.grant, Stored(sha256=OUTPUT, size_bytes=60))
    tasks.bring("t1", lease.grant, Stored(sha256=OUTPUT, size_bytes=60))

    assert tasks.room_bytes("t1", lease.grant) == 40
    with pytest.raises(TooMuchOutput, match="101 bytes are more than the 100"):
        tasks.bring("t1", lease.grant, Stored(sha256="3" * 64, size_bytes=41))


def test_a_worker_reads_the_inputs_of_its_task_and_no_other_blob(tasks, worker):
    tasks.put(task())
    lease = worker("w1")()

    tasks.may_read("t1", lease.grant, INPUT)

    with pytest.raises(UnknownTask):
        tasks.may_read("t1", lease.grant, OUTPUT)
    with pytest.raises(BadGrant):
        tasks.may_read("t1", "1.9999999999.all.0000", INPUT)
    with pytest.raises(UnknownTask):
        tasks.may_read("t2", lease.grant, INPUT)


def test_a_grant_ends_an_hour_after_the_task_s_time(tasks, worker, clock):
    tasks.put(task())
    lease = worker("w1")()
    clock.now += 60 + 3600 + 1

    with pytest.raises(BadGrant, match="has ended"):
        tasks.beat("t1", lease.grant, Beat())


def test_a_job_that_was_adopted_keeps_its_attempt_and_its_links(tasks):
    tasks.put(task())
    first, again = tasks.adopt("t1", "CI"), tasks.adopt("t1", "CI, once more")

    assert (again.attempt, again.holder) == (1, "CI")
    assert tasks.grant(first, task(), Scope.END) == tasks.grant(again, task(), Scope.END)


def test_a_token_is_good_for_one_worker_until_it_ends_or_is_taken_back(workers, ana, clock):
    token = workers.add(ana, WorkerDraft(name="w1", ttl_s=100.0)).token

    assert token.startswith("eww_")
    assert workers.principal(token).roles == (Role.WORKER,)
    with pytest.raises(WorkerExists):
        workers.add(ana, WorkerDraft(name="w1"))
    clock.now += 101
    with pytest.raises(NotLoggedIn):
        workers.principal(token)


def test_a_worker_that_is_taken_off_leaves_its_task_to_others(tasks, workers, worker, ana):
    tasks.put(task())
    lease = worker("w1")()

    workers.remove(ana, "w1")

    assert tasks.get("t1").state is TaskState.WAITING
    with pytest.raises(LeaseLost):
        tasks.beat("t1", lease.grant, Beat())
    with pytest.raises(UnknownWorker):
        workers.worker("w1")


def test_workers_are_shown_as_they_are(tasks, workers, worker, ana, clock):
    tasks.put(task())
    worker("idle")
    busy = worker("busy")
    worker("draining")
    workers.add(ana, WorkerDraft(name="never"))
    busy()
    workers.drain(ana, "draining")

    states = {one.name: one.state for one in workers.workers()}
    clock.now += AWAY_S + 1

    assert states == {
        "busy": WorkerState.BUSY,
        "draining": WorkerState.DRAINING,
        "idle": WorkerState.IDLE,
        "never": WorkerState.AWAY,
    }
    assert workers.worker("idle").state is WorkerState.AWAY


def test_a_dry_run_changes_nothing(workers, ana):
    assert workers.add(ana, WorkerDraft(name="w1"), dry_run=True).token == ""
    assert workers.workers() == []

    workers.add(ana, WorkerDraft(name="w1"))
    assert workers.drain(ana, "w1", dry_run=True).state is WorkerState.DRAINING
    workers.remove(ana, "w1", dry_run=True)
    assert workers.worker("w1").state is WorkerState.AWAY
