"""Pushes as GitHub and GitLab send them, and as strangers do."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.api import Forge
from edgewright.hub.automate.triggers.model import UnreadablePush, WrongSignature
from edgewright.hub.automate.triggers.sources import check_proof
from edgewright.hub.automate.triggers.sources.pushes import (
    check_signature,
    delivery_keys,
    derive_secret,
    is_push,
    read_push,
)

JSON = {"content-type": "application/json"}


def github(body: bytes) -> dict[str, str]:
    """The headers of a push."""
    tag = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    return JSON | {"x-github-event": "push", "x-github-delivery": "d-1", "x-hub-signature-256": f"sha256={tag}"}


def body_of(ref="refs/heads/main", commits=(), **facts) -> bytes:
    listed = [{"added": list(one), "modified": [], "removed": []} for one in commits]
    return json.dumps({"ref": ref, "after": "c0ffee" * 6 + "0abc", "commits": listed, **facts}).encode()


def test_the_example_of_githubs_documentation_is_taken():
    # docs.github.com, 'Validating webhook deliveries', 'Testing the webhook payload validation'
    tag = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    check_signature(Forge.GITHUB, {"x-hub-signature-256": tag}, b"Hello, World!", "It's a Secret to Everybody")


@pytest.mark.parametrize(
    "shown", ["", "sha256=", "sha256=" + "0" * 64, "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "ümlaut"]
)
def test_a_push_that_is_not_signed_by_the_secret_is_refused_by_its_header(shown):
    with pytest.raises(WrongSignature) as refused:
        check_signature(Forge.GITHUB, {"x-hub-signature-256": shown}, b"{}", "s3cret")

    assert refused.value.field == "X-Hub-Signature-256"
    assert "trigger secret" in refused.value.hint


def test_a_changed_body_is_refused():
    body = body_of()

    with pytest.raises(WrongSignature):
        check_signature(Forge.GITHUB, github(body), body + b" ", "s3cret")


def test_gitlab_shows_the_secret_itself():
    check_signature(Forge.GITLAB, {"x-gitlab-token": "s3cret"}, b"{}", "s3cret")
    with pytest.raises(WrongSignature) as refused:
        check_signature(Forge.GITLAB, {"x-gitlab-token": "s3cre"}, b"{}", "s3cret")

    assert refused.value.field == "X-Gitlab-Token"


def test_without_any_proof_a_body_need_not_be_read():
    with pytest.raises(WrongSignature):
        check_proof(JSON)

    check_proof({"x-gitlab-token": "any"})


def test_a_push_tells_repository_branch_revision_and_paths():
    body = body_of(commits=[("train/a.py",), ("b.md", "train/a.py")], repository={"full_name": "plant/vision"})

    push = read_push(Forge.GITHUB, JSON, body)

    assert (push.repository, push.branch, push.revision[:6]) == ("plant/vision", "main", "c0ffee")
    assert push.paths == ("b.md", "train/a.py")
    assert (push.is_whole, push.is_deletion) == (True, False)


@pytest.mark.parametrize(
    ("forge", "body", "fact", "value"),
    [
        (Forge.GITLAB, body_of(project={"path_with_namespace": "plant/vision"}), "repository", "plant/vision"),
        (Forge.GITHUB, body_of(ref="refs/tags/v1"), "branch", ""),
        (Forge.GITHUB, body_of(ref="refs/heads/release/1"), "branch", "release/1"),
        (Forge.GITHUB, body_of(after="0" * 40), "is_deletion", True),
        (Forge.GITLAB, body_of(commits=[("a",)] * 20, total_commits_count=31), "is_whole", False),
        (Forge.GITHUB, body_of(commits=[("a",)] * 2048), "is_whole", False),
        (Forge.GITHUB, body_of(commits=[tuple(map(str, range(501)))]), "is_whole", False),
        (Forge.GITHUB, body_of(repository={"full_name": "a\x1b[2J"}), "repository", "a?[2J"),
    ],
)
def test_what_a_push_says_is_read_plainly(forge, body, fact, value):
    assert getattr(read_push(forge, JSON, body), fact) == value


@pytest.mark.parametrize("body", [b"", b"[]", b'{"ref": 1}', b"\xff", b"[" * 100_000, b'{"ref": "x"}', b"payload=%7B"])
def test_a_body_that_is_no_push_is_hostile_input(body):
    with pytest.raises(UnreadablePush):
        read_push(Forge.GITHUB, JSON, body)


def test_a_push_as_a_form_is_refused_with_what_to_set():
    with pytest.raises(UnreadablePush) as refused:
        read_push(Forge.GITHUB, {"content-type": "application/x-www-form-urlencoded"}, b"payload=%7B%7D")

    assert refused.value.field == "Content-Type"
    assert "application/json" in refused.value.hint


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body):
    try:
        read_push(Forge.GITLAB, JSON, body)
    except UnreadablePush:
        return


def test_a_replay_under_another_delivery_id_is_known_by_its_body():
    body = body_of()
    first = delivery_keys(Forge.GITHUB, github(body), body)
    again = delivery_keys(Forge.GITHUB, github(body) | {"x-github-delivery": "d-2"}, body)

    assert set(first) & set(again)
    assert set(first) != set(again)


def test_gitlabs_retries_bear_one_key():
    sent = {"idempotency-key": "k", "x-gitlab-event-uuid": "u"}

    assert delivery_keys(Forge.GITLAB, sent, b"{}") == ("delivery-k",)
    assert delivery_keys(Forge.GITLAB, {}, b"{}")[0].startswith("push-")


def test_what_a_forge_tells_besides_is_no_push():
    assert is_push(Forge.GITHUB, {"x-github-event": "push"})
    assert not is_push(Forge.GITHUB, {"x-github-event": "ping"})
    assert is_push(Forge.GITLAB, {"x-gitlab-event": "Push Hook"})
    assert not is_push(Forge.GITLAB, {})


def test_a_secret_is_the_triggers_own_and_cannot_be_had_from_the_tables_alone():
    secrets = {derive_secret(key, name, salt) for key in (b"a", b"b") for name in ("x", "y") for salt in ("1", "2")}

    assert len(secrets) == 8
    assert all(len(secret) > 40 and secret.startswith("ews_") for secret in secrets)
