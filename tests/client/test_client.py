"""The client against a real HTTP server: what it sends, what it makes of replies, and how it fails."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from edgewright.client import Client, Project
from edgewright.client.watching import Pace, changes
from edgewright.contract.api import (
    FileRef,
    GateDraft,
    ModelRecord,
    PackageRecord,
    PipelineDraft,
    ReleaseRecord,
    ReleaseState,
    RolloutDraft,
    RolloutRecord,
    RolloutState,
    RunRecord,
    RunState,
    SigningPayload,
    SigningRequest,
    SnapshotRecord,
    UserRecord,
)
from edgewright.contract.errors import (
    ErrorBody,
    ErrorReply,
    HostileInput,
    InvalidInput,
    Refused,
    Told,
    Unreachable,
    UsageError,
)

DIGEST = "ab" * 32


def run(state: RunState, **facts: object) -> RunRecord:
    base = {"id": "r1", "kind": "train", "subject": "digits", "step": "", "fraction": 0.0, "started_at": 1.0}
    return RunRecord(**{**base, **facts}, state=state)


def rollout(state: RolloutState) -> RolloutRecord:
    facts = {"release": "digits/1", "model": "digits", "version": 1, "counter": 1, "group": "all", "reason": ""}
    return RolloutRecord(
        id="o1", **facts, state=state, gate=GateDraft(), waves=(), deployments=(), created_at=1.0, created_by="ada"
    )


def release(*, path: str = "digits/1/cpu-fp32.json") -> ReleaseRecord:
    package = PackageRecord(target="cpu-fp32", path=path, manifest_sha256=DIGEST, size_bytes=9, recipe=())
    return ReleaseRecord(
        id="digits/1",
        model="digits",
        version=1,
        counter=1,
        digest=DIGEST,
        state=ReleaseState.DRAFT,
        packages=(package,),
        author="ada",
        approvals=(),
        approvals_needed=1,
        signatures=(),
        signatures_needed=1,
        note="",
        created_at=1.0,
    )


def signing_request(targets: dict[str, str], shown: ReleaseRecord) -> SigningRequest:
    signed = {"_type": "targets", "targets": {path: {"hashes": {"sha256": sha}} for path, sha in targets.items()}}
    payload = SigningPayload(
        role="release-digits", version=1, signed=json.dumps(signed).encode(), keyids=("k",), threshold=1
    )
    return SigningRequest(release=shown, payloads=(payload,))


def test_a_request_carries_the_token_and_returns_typed_records(client, answers):
    answers.say("GET", "/api/v1/models", [ModelRecord(name="digits", owner="ada", task="t", latest=2, created_at=1.0)])

    models = client.models.list()

    assert [model.latest for model in models] == [2]
    assert answers.tokens == ["Bearer t0ken"]


def test_an_error_of_the_hub_keeps_its_words_and_gets_the_exit_code_of_its_kind(client, answers):
    body = ErrorBody(code="unknown_model", message="there is no model 'x'", field="model", hint="List them.")
    answers.say("GET", "/api/v1/models/x", ErrorReply(body), status=404)

    with pytest.raises(Told) as caught:
        client.models.get("x")

    error = caught.value
    assert (error.code, error.message, error.field, error.hint, error.exit_code) == (
        "unknown_model",
        "there is no model 'x'",
        "model",
        "List them.",
        2,
    )


def test_a_hub_that_is_not_there_is_named_with_its_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with Client(url) as client, pytest.raises(Unreachable, match=url):
            client.me()


DEEP = b'{"name": "n", "later": ' + b"[" * 100_000


@pytest.mark.parametrize("said", [b"<html>a proxy</html>", b"[1, 2]", b"", b'{"name": "\xff"}', DEEP])
def test_a_server_that_is_no_hub_is_told_from_one(client, answers, said):
    answers.say("GET", "/api/v1/me", said)

    with pytest.raises(HostileInput, match="does not answer like an Edgewright hub"):
        client.me()


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://hub", "http://", "http://hub:port", ""])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidInput) as caught:
        Client(url)

    assert caught.value.field == "hub"


def test_a_dry_run_asks_the_hub_to_change_nothing(client, answers):
    answers.say("POST", "/api/v1/releases", release())

    client.releases.build("digits", 1, dry_run=True)

    assert [path for _, path, _ in answers.asked] == ["/api/v1/releases?dry_run=true"]


def test_a_dry_run_of_a_move_does_not_send_it(client, answers):
    answers.say("GET", "/api/v1/rollouts/o1", rollout(RolloutState.RUNNING))

    client.rollouts.abort("o1", dry_run=True)

    assert [method for method, _, _ in answers.asked] == ["GET"]


def test_names_are_quoted_in_paths(client, answers):
    answers.say("GET", "/api/v1/models/a%3Fb%20c", ModelRecord(name="x", owner="", task="", latest=0, created_at=0.0))

    assert client.models.get("a?b c").name == "x"


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b"])
def test_a_name_that_would_lead_elsewhere_is_never_sent(client, answers, name):
    with pytest.raises(UsageError, match="no name"):
        client.models.get(name)

    assert answers.asked == []


def test_a_snapshot_sends_only_the_bytes_that_the_hub_lacks(client, answers, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "new.npz").write_bytes(b"new" * 200_000)
    (tmp_path / "old.npz").write_bytes(b"old")
    (tmp_path / ".hidden").write_bytes(b"no")
    new, old = (hashlib.sha256(data).hexdigest() for data in (b"new" * 200_000, b"old"))
    answers.say("HEAD", f"/api/v1/blobs/{old}", b"")
    answers.say("PUT", f"/api/v1/blobs/{new}", {})
    answers.by_door["POST", "/api/v1/snapshots"] = lambda body: (
        201,
        SnapshotRecord(
            id="d@1", dataset="d", number=1, digest="", files=(), parent="", note="", created_at=0.0, created_by=""
        ),
    )
    told = []

    client.snapshots.create("d", tmp_path, on_progress=told.append)

    assert answers.bodies("PUT", f"/api/v1/blobs/{new}") == [b"new" * 200_000]
    assert answers.bodies("PUT", f"/api/v1/blobs/{old}") == []
    draft = json.loads(answers.bodies("POST", "/api/v1/snapshots")[0])
    assert [file["path"] for file in draft["files"]] == ["deep/new.npz", "old.npz"]
    assert [upload.sent_bytes for upload in told] == sorted(upload.sent_bytes for upload in told)
    assert (told[-1].sent_bytes, told[-1].total_bytes) == (600_003, 600_003)


def test_a_folder_without_files_is_refused_before_anything_is_sent(client, answers, tmp_path):
    with pytest.raises(InvalidInput, match="holds no files"):
        client.snapshots.create("d", tmp_path)

    assert answers.asked == []


def test_a_link_in_a_folder_is_refused(client, tmp_path):
    (tmp_path / "train.npz").symlink_to("/etc/hostname")

    with pytest.raises(InvalidInput, match="is a link"):
        client.snapshots.create("d", tmp_path)


def test_a_model_file_that_is_not_there_is_named(client, tmp_path):
    with pytest.raises(InvalidInput, match=r"no\.onnx"):
        client.models.register("digits", tmp_path / "no.onnx")


def test_a_blob_with_other_bytes_is_not_believed(client, answers):
    answers.say("GET", f"/api/v1/blobs/{DIGEST}", b"something else")

    with pytest.raises(HostileInput):
        client.blobs.get(DIGEST)


def test_waiting_for_a_run_tells_each_change_once_and_returns_the_end(client, answers):
    states = [
        run(RunState.QUEUED),
        run(RunState.RUNNING, step="fit", fraction=0.5),
        run(RunState.RUNNING, step="fit", fraction=0.5),
        run(RunState.DONE, fraction=1.0),
    ]
    answers.say("GET", "/api/v1/runs/r1", *states)
    told = []

    ended = client.runs.wait("r1", told.append)

    assert ended.state == RunState.DONE
    assert [one.state for one in told] == ["queued", "running", "done"]


def test_watching_a_rollout_ends_with_it(client, answers):
    answers.say("GET", "/api/v1/rollouts/o1", rollout(RolloutState.RUNNING), rollout(RolloutState.HALTED))

    seen = [one.state for one in client.rollouts.watch("o1")]

    assert seen == ["running", "halted"]


def test_watching_lives_through_a_hub_that_is_away_for_a_while():
    replies = iter([Unreachable("away"), "on", Unreachable("away"), "over"])
    now = iter(range(100))

    def fetch() -> str:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    pace = Pace(patience_s=5.0, sleep=lambda _: None, clock=lambda: float(next(now)))

    assert list(changes(fetch, lambda seen: seen == "over", pace=pace)) == ["on", "over"]


def test_watching_gives_up_on_a_hub_that_stays_away():
    now = iter(range(100))

    def fetch() -> str:
        raise Unreachable("away")

    pace = Pace(patience_s=5.0, sleep=lambda _: None, clock=lambda: float(next(now)))

    with pytest.raises(Unreachable):
        list(changes(fetch, lambda _: False, pace=pace))


def test_watching_ends_at_its_timeout():
    now = iter(range(100))
    pace = Pace(sleep=lambda _: None, clock=lambda: float(next(now)))

    with pytest.raises(Refused, match="after 5 s"):
        list(changes(lambda: "on", lambda _: False, pace=pace, timeout_s=5.0))


def test_a_login_is_used_from_then_on(client, answers):
    answers.say("POST", "/api/v1/login", {"token": "fresh", "user": "ada", "roles": ["admin"]})
    answers.say("GET", "/api/v1/me", UserRecord(name="ada", roles=()))

    client.login("ada", "a long password")
    client.me()

    assert answers.tokens[-1] == "Bearer fresh"


def test_devices_that_get_nothing_are_read_page_by_page(client, answers):
    page = {"misfits": [{"device": "dev-7", "name": "lane-7", "reason": "no package fits"}], "after": "dev-7"}
    answers.by_verb |= {verb: lambda _: (200, page) for verb in ("GET", "POST")}
    draft = RolloutDraft(release="digits/4", group="lanes", waves=(1,))

    found = client.releases.misfits("digits", 4, "lanes", after="dev-6", limit=1)
    left_out = client.rollouts.left_out(draft, after="dev-6", limit=1)

    assert (found, left_out.after) == (left_out, "dev-7")
    assert [(method, path) for method, path, _ in answers.asked] == [
        ("GET", "/api/v1/releases/digits/4/misfits?group=lanes&after=dev-6&limit=1"),
        ("POST", "/api/v1/rollouts/plan/misfits?after=dev-6&limit=1"),
    ]


def test_the_audit_log_is_read_page_by_page(client, answers):
    def entry(number: int) -> dict[str, object]:
        return {"number": number, "at": 1.0, "actor": "a", "action": "b", "subject": "c", "detail": {}, "sha256": ""}

    answers.say("GET", "/api/v1/audit", [entry(1), entry(2)], [entry(3)], [])

    assert [one.number for one in client.audit.entries()] == [1, 2, 3]
    assert [path for _, path, _ in answers.asked][1] == "/api/v1/audit?after=2"


class Pen:
    """Something that signs, and remembers what."""

    def __init__(self, *beyond: str) -> None:
        self.signed: list[str] = []
        self.beyond = list(beyond)

    def sign(self, payload: SigningPayload) -> list:
        self.signed.append(payload.role)
        return []

    def describe(self, payload: SigningPayload) -> list[str]:
        return [payload.role]

    def beyond_release(self, payload: SigningPayload, model: str, counter: int) -> list[str]:
        return self.beyond


@pytest.mark.parametrize(
    "targets",
    [
        {},
        {"digits/1/cpu-fp32.json": "cd" * 32},
        {"digits/1/cpu-fp32.json": DIGEST, "digits/1/cpu-int8.json": DIGEST},
    ],
    ids=["a package is missing", "a digest is another", "a package is smuggled in"],
)
def test_nothing_is_signed_that_differs_from_the_release(client, answers, targets):
    answers.say("GET", "/api/v1/releases/digits/1/signing", signing_request(targets, release()))
    pen = Pen()

    with pytest.raises(HostileInput) as caught:
        client.releases.sign("digits", 1, pen)

    assert pen.signed == []
    assert "Do not sign" in caught.value.hint


def test_packages_of_earlier_releases_may_stay_among_the_signed(client, answers):
    targets = {"digits/0/cpu-fp32.json": "cd" * 32, "digits/1/cpu-fp32.json": DIGEST}
    answers.say("GET", "/api/v1/releases/digits/1/signing", signing_request(targets, release()))
    pen = Pen()

    client.releases.sign("digits", 1, pen, dry_run=True)

    assert pen.signed == []


def test_what_goes_beyond_the_release_is_signed_by_nobody_s_habit(client, answers):
    request = signing_request({"digits/1/cpu-fp32.json": DIGEST}, release())
    answers.say("GET", "/api/v1/releases/digits/1/signing", request)
    pen = Pen("adds delegation wine/*/* to release-wine: 1 of the keys 0123456789ab", "removes path digits/0/cpu.json")

    with pytest.raises(Refused, match=r"adds delegation wine.* and 1 more") as caught:
        client.releases.sign("digits", 1, pen)

    assert caught.value.code == "more_than_the_release"
    assert pen.signed == []


def test_keys_that_are_not_asked_for_are_said_to_be_the_wrong_ones(client, answers):
    request = signing_request({"digits/1/cpu-fp32.json": DIGEST}, release())
    answers.say("GET", "/api/v1/releases/digits/1/signing", request)

    with pytest.raises(Refused, match="no key here may sign digits/1"):
        client.releases.sign("digits", 1, Pen())


def test_a_pipeline_goes_to_the_hub_with_its_code_by_digest(client, answers, tmp_path):
    (tmp_path / "train.py").write_text("print('fit')\n")
    (tmp_path / "edgewright.toml").write_text(
        '[project]\nmodel = "digits"\n[data]\ndataset = "digits"\n'
        '[train]\ncommand = "python train.py"\ncode = ["*.py"]\n'
    )
    digest = hashlib.sha256((tmp_path / "train.py").read_bytes()).hexdigest()
    answers.say("PUT", f"/api/v1/blobs/{digest}", {})
    answers.by_door["POST", "/api/v1/pipelines"] = lambda body: (201, body)

    draft = client.pipelines.put(Project.read(tmp_path))

    assert isinstance(draft, PipelineDraft)
    assert draft.code == (FileRef(path="train.py", sha256=digest, size_bytes=13),)
    assert draft.code_revision
    assert answers.bodies("PUT", f"/api/v1/blobs/{digest}") == [Path(tmp_path / "train.py").read_bytes()]
