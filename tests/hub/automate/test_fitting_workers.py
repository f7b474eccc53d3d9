"""Which worker fits which task, what a task waits for, what may come back, and what opens a task's doors. Pure."""

from __future__ import annotations

import pytest

from edgewright.contract.api import FileRef
from edgewright.contract.api.tasks import Finished, Limits, Place, Task, Where
from edgewright.contract.api.workers import MAX_LOG_CHARS, WorkerDraft, WorkerRecord, WorkerState
from edgewright.contract.errors import InvalidInput
from edgewright.hub.automate.executors.ci import Ci, Style, body_of, headers_of
from edgewright.hub.automate.executors.model import (
    TooMuchOutput,
    bounded,
    check_finished,
    check_labels,
    check_worker,
    fits,
    longer_log,
    waits_for,
)
from edgewright.hub.automate.executors.queue import BadGrant, Grants, Scope
from edgewright.hub.automate.executors.ray import resources_of

SHA = "0" * 64


def task(labels=None, **changes) -> Task:
    where = Where(kind=Place.WORKER, labels=labels or {})
    facts = {"id": "run-1.train", "command": ("true",), "model": "lines", "outputs": ("model",), "where": where}
    return Task(**(facts | changes))


def worker(name: str, state=WorkerState.IDLE, models=(), **labels: str) -> WorkerRecord:
    return WorkerRecord(
        name=name,
        state=state,
        labels=labels,
        models=models,
        task="",
        cpus=4,
        memory_bytes=1 << 34,
        program="0.1.0",
        created_by="ana",
        created_at=0.0,
        expires_at=9e9,
    )


def test_a_worker_fits_a_task_whose_labels_it_has_and_whose_model_it_may_do():
    assert fits(task({"gpu": "true"}), {"gpu": "true", "arch": "x86_64"}, ())
    assert not fits(task({"gpu": "true"}), {"gpu": "false"}, ())
    assert not fits(task({"gpu": "true"}), {}, ())
    assert fits(task(), {}, ("lines",))
    assert not fits(task(), {}, ("digits",))


@pytest.mark.parametrize(
    ("workers", "told"),
    [
        ([], "waits for a worker with gpu=true: none is there (edgewright worker add NAME; edgewright worker run)"),
        ([worker("a", WorkerState.AWAY, gpu="true")], "none is there"),
        (
            [worker("a", arch="arm64"), worker("b")],
            "there are 2, and none fits: a (arch=arm64); b (no labels)",
        ),
        ([worker("a", gpu="true", models=("digits",))], "none fits: a (for other models)"),
        ([worker("a", WorkerState.DRAINING, gpu="true")], "none fits: a (gpu=true, draining)"),
        ([worker("a", WorkerState.BUSY, gpu="true")], "a at work on something else"),
    ],
    ids=["nobody", "away", "other labels", "other models", "draining", "busy"],
)
def test_a_task_that_waits_says_for_which_labels_and_which_there_are(workers, told):
    assert told in waits_for(task({"gpu": "true"}), workers)


@pytest.mark.parametrize(
    ("log", "known", "more", "more_from", "result"),
    [
        ("one\n", 4, "two\n", 4, ("one\ntwo\n", 8)),
        ("one\n", 4, "one\ntwo\n", 0, ("one\ntwo\n", 8)),
        ("one\n", 4, "ne\n", 1, ("one\n", 4)),
        ("one\n", 4, "six\n", 20, ("one\n[16 characters were left out]\nsix\n", 24)),
        ("", 0, "a\x00b", 0, ("ab", 3)),
    ],
    ids=["follows", "overlaps", "known", "gap", "NUL"],
)
def test_a_log_grows_by_what_is_new(log, known, more, more_from, result):
    assert longer_log(log, known, more, more_from) == result


def test_a_log_keeps_its_end():
    log, chars = longer_log("x" * MAX_LOG_CHARS, MAX_LOG_CHARS, "end", MAX_LOG_CHARS)

    assert (len(log), log[-4:], chars) == (MAX_LOG_CHARS, "xend", MAX_LOG_CHARS + 3)


def test_what_was_brought_and_asked_for_may_come_back():
    file = FileRef(path="model/model.onnx", sha256=SHA, size_bytes=5)

    check_finished(task(), Finished(returncode=0, outputs=(file,)), {SHA: 5})


@pytest.mark.parametrize(
    ("path", "size_bytes", "brought", "error"),
    [
        ("input/rows.npz", 5, {SHA: 5}, InvalidInput),
        ("model", 5, {SHA: 5}, InvalidInput),
        ("models/x", 5, {SHA: 5}, InvalidInput),
        ("model/m", 5, {}, InvalidInput),
        ("model/m", 5, {SHA: 6}, InvalidInput),
        ("model/m", 11, {SHA: 11}, TooMuchOutput),
    ],
    ids=["not asked for", "the folder itself", "beside it", "not brought", "other length", "too much"],
)
def test_nothing_else_comes_back(path, size_bytes, brought, error):
    file = FileRef(path=path, sha256=SHA, size_bytes=size_bytes)

    with pytest.raises(error):
        check_finished(task(limits=Limits(output_bytes=10)), Finished(returncode=0, outputs=(file,)), brought)


def test_what_is_told_from_outside_is_kept_within_bounds():
    told = bounded(Finished(returncode=0, reason="a\x1b[31m" * 500, output="x" * 10**6, where="me"), "worker w1")

    assert len(told.reason) <= 500
    assert told.reason.isprintable()
    assert len(told.output) == MAX_LOG_CHARS
    assert told.where == "worker w1"


@pytest.mark.parametrize(
    ("returncode", "told"), [(0, ""), (4, "ended with status 4"), (None, "did not say how it ended")]
)
def test_an_outcome_without_a_reason_gets_one_by_its_status(returncode, told):
    assert bounded(Finished(returncode=returncode), "CI").reason == told


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "x" * 41])
def test_a_worker_has_a_plain_name(name):
    with pytest.raises(InvalidInput):
        check_worker(WorkerDraft(name=name))


@pytest.mark.parametrize("labels", [{"": "x"}, {"a b": "x"}, {"gpu": ""}, {"gpu": "x\n"}, {"gpu": "a,b"}])
def test_labels_are_plain_words(labels):
    with pytest.raises(InvalidInput):
        check_labels(labels)


def test_a_grant_opens_the_doors_of_one_attempt_at_one_task_for_one_purpose_until_a_time():
    grants = Grants(b"k" * 32)
    grant = grants.make("t1", 2, Scope.READ, 1000.0)

    assert grants.check(grant, "t1", Scope.READ, 999.0) == 2
    assert grants.check(grants.make("t1", 2, Scope.ALL, 1000.0), "t1", Scope.END, 999.0) == 2
    for wanted, task_id, scope, now in [
        (grant, "t2", Scope.READ, 999.0),
        (grant, "t1", Scope.END, 999.0),
        (grant, "t1", Scope.READ, 1001.0),
        (grant.replace("2.", "3.", 1), "t1", Scope.READ, 999.0),
        (grant.replace("1000", "9999"), "t1", Scope.READ, 999.0),
        (grant.replace("read", "all"), "t1", Scope.READ, 999.0),
        ("", "t1", Scope.READ, 999.0),
        ("1.2.read.é", "t1", Scope.READ, 999.0),
        (Grants(b"o" * 32).make("t1", 2, Scope.READ, 1000.0), "t1", Scope.READ, 999.0),
    ]:
        with pytest.raises(BadGrant):
            grants.check(wanted, task_id, scope, now)


def test_labels_become_what_a_ray_job_asks_of_the_cluster():
    asked = resources_of(task({"gpu": "true", "cpu": "4", "a100": "true"}))

    assert asked == {"entrypoint_num_gpus": 1.0, "entrypoint_num_cpus": 4.0, "entrypoint_resources": {"a100": 1.0}}
    assert resources_of(task()) == {}


def test_a_call_looks_as_the_service_wants_it():
    secret = "whsec_" + "A" * 32
    told = {"task": "t1", "timeout_s": 60.0}

    ours, github, gitlab = (Ci("https://ci", secret, style, "token", "main") for style in Style)

    assert body_of(ours, told) == {"type": "edgewright.task", "data": told}
    assert body_of(github, told) == {"event_type": "edgewright-task", "client_payload": told}
    assert body_of(gitlab, told) == {
        "token": "token",
        "ref": "main",
        "variables": {"EW_TASK": "t1", "EW_TIMEOUT_S": "60.0"},
    }
    assert headers_of(github)["authorization"] == "Bearer token"
    assert "authorization" not in headers_of(gitlab)


def test_a_ci_without_a_secret_cannot_be_set_up():
    with pytest.raises(InvalidInput):
        Ci("https://ci", "")
