"""The devices' doors as bare ASGI: who has no session is sent away, and no bytes make the hub stumble."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.errors import ErrorReply
from edgewright.contract.report import CheckIn
from edgewright.hub.fleet import table
from edgewright.hub.fleet.model import token_sha256
from edgewright.hub.web.devices import MAX_BODY_BYTES, DeviceDoors
from edgewright.hub.web.streaming import CHUNK_BYTES
from scenes.dashboard import NOW, add_device, empty_hub

TOKEN = "ews_" + "A" * 43
SESSION = {"authorization": f"Bearer {TOKEN}"}
DOORS = ["nonce", "enrol", "session", "checkin", "batch", "blobs/" + "0" * 64, "tuf/root.json"]


class Reply:
    """What went out, put together."""

    def __init__(self, messages) -> None:
        start, *bodies = messages
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(message["body"] for message in bodies)
        self.pieces = sum(bool(message["body"]) for message in bodies)
        assert not bodies[-1].get("more_body", False)

    @property
    def error(self):
        return msgspec.json.decode(self.body, type=ErrorReply).error


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with one device, which has a session."""
    hub = empty_hub(tmp_path_factory.mktemp("doors"))
    with hub.db.write() as connection:
        device = add_device(connection, "lane")
        row = {"token_sha256": token_sha256(TOKEN), "device": device, "expires_at": NOW + 3600}
        connection.execute(sa.insert(table.session).values(**row))
    yield hub
    hub.db.close()


@pytest.fixture(scope="module")
def ask(hub):
    """Send one request, its body in pieces."""
    doors = DeviceDoors(hub)

    def ask(method, door, *pieces, headers=None, path=""):
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        return asyncio.run(_exchange(doors, method, path or f"/device/v1/{door}", headers or {}, messages))

    return ask


async def _exchange(doors, method, path, headers, messages):
    waiting, sent = iter(messages), []

    async def receive():
        return next(waiting)

    async def send(message):
        sent.append(message)

    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await doors({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    return Reply(sent)


@pytest.mark.parametrize("door", ["POST checkin", "POST batch", "GET blobs/" + "0" * 64])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic abc", "Bearer ", "Bearer x"],
    ids=["none", "empty", "another scheme", "no token", "an unknown token"],
)
def test_without_a_session_nobody_gets_past_the_door(ask, door, authorization):
    headers = {} if authorization is None else {"authorization": authorization}

    reply = ask(*door.split(), b"{}", headers=headers)

    assert reply.status == 401
    assert reply.error.hint


def test_a_check_in_gets_a_signed_order_for_its_nonce(ask):
    reply = ask("POST", "checkin", msgspec.json.encode(CheckIn(nonce="n1")), headers=SESSION)

    assert reply.status == 200
    assert msgspec.json.decode(reply.body)["payloadType"]


@pytest.mark.parametrize(("door", "message"), [("enrol", "enrolment"), ("checkin", "check-in")])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"nonce": 7}', b"\xff\xfe", b'{"nonce": "\xff"}', b"null"])
def test_a_body_that_is_no_message_of_ours_is_a_clear_error(ask, door, message, body):
    reply = ask("POST", door, body, headers=SESSION)

    assert reply.status == 400
    assert reply.error.code == "hostile_input"
    assert reply.error.field in (message, "nonce")


def test_a_body_may_come_in_pieces_up_to_the_limit_and_not_past_it(ask):
    piece = b" " * (MAX_BODY_BYTES // 4)

    fine = ask("POST", "nonce", *[piece] * 4)
    too_long = ask("POST", "nonce", *[piece] * 4, b"x")

    assert fine.status == 200
    assert too_long.status == 400
    assert str(MAX_BODY_BYTES) in too_long.error.message


def test_a_sender_that_goes_away_in_the_middle_costs_nothing(hub):
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    reply = asyncio.run(_exchange(DeviceDoors(hub), "POST", "/device/v1/checkin", SESSION, messages))

    assert reply.status == 400


@pytest.mark.parametrize("start", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 4])
def test_a_blob_is_sent_from_where_it_was_broken_off(hub, ask, start):
    data = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"tail!"
    sha256 = hub.blobs.put_bytes(data)

    reply = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": f"bytes={start}-"})

    assert reply.status == 206
    assert reply.body == data[start:]
    assert reply.headers["content-length"] == str(len(data) - start)
    assert reply.headers["content-range"] == f"bytes {start}-{len(data) - 1}/{len(data)}"


def test_a_whole_blob_comes_in_pieces_and_an_empty_one_as_well(hub, ask):
    whole, empty = hub.blobs.put_bytes(b"x" * (3 * CHUNK_BYTES)), hub.blobs.put_bytes(b"")

    replies = [ask("GET", f"blobs/{sha256}", headers=SESSION) for sha256 in (whole, empty)]

    assert [reply.status for reply in replies] == [200, 200]
    assert [reply.headers["content-length"] for reply in replies] == [str(3 * CHUNK_BYTES), "0"]
    assert [reply.pieces for reply in replies] == [3, 0]


@pytest.mark.parametrize(
    ("range_", "part"),
    [("bytes=1-2", b"iv"), ("bytes=-2", b"e!"), ("bytes=-99", b"five!"), ("bytes=3-99", b"e!"), ("Bytes = 0-0", b"f")],
)
def test_one_range_of_a_blob_is_served_wherever_it_lies(hub, ask, range_, part):
    sha256 = hub.blobs.put_bytes(b"five!")

    reply = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": range_})

    assert (reply.status, reply.body) == (206, part)
    assert reply.headers["content-range"].endswith("/5")


@pytest.mark.parametrize("range_", ["bytes=2-1", "bytes=x-", "pages=1-", "bytes", "bytes=0-1,3-4", "bytes=-"])
def test_a_range_that_cannot_be_understood_counts_as_not_asked_for(hub, ask, range_):
    sha256 = hub.blobs.put_bytes(b"five!")

    reply = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": range_})

    assert (reply.status, reply.body) == (200, b"five!")


@pytest.mark.parametrize("range_", ["bytes=5-", "bytes=99999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_told_as_such(hub, ask, range_):
    sha256 = hub.blobs.put_bytes(b"five!")

    reply = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": range_})

    assert (reply.status, reply.body) == (416, b"")
    assert reply.headers["content-range"] == "bytes */5"


def test_a_part_is_served_only_of_the_blob_that_the_asker_has_begun(hub, ask):
    sha256 = hub.blobs.put_bytes(b"five!")
    tag = ask("GET", f"blobs/{sha256}", headers=SESSION).headers["etag"]

    same = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": "bytes=1-", "if-range": tag})
    other = ask("GET", f"blobs/{sha256}", headers={**SESSION, "range": "bytes=1-", "if-range": '"x"'})
    known = ask("GET", f"blobs/{sha256}", headers={**SESSION, "if-none-match": tag})

    assert [reply.status for reply in (same, other, known)] == [206, 200, 304]
    assert (same.body, other.body, known.body) == (b"ive!", b"five!", b"")


def test_a_head_says_what_a_get_would_without_the_bytes(hub, ask):
    sha256 = hub.blobs.put_bytes(b"five!")

    reply = ask("HEAD", f"blobs/{sha256}", headers=SESSION)

    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "5")


@pytest.mark.parametrize(
    ("method", "door"),
    [("GET", ""), ("GET", "nonce"), ("DELETE", "batch"), ("POST", "../api/v1/users"), ("GET", "blob"), ("PUT", "tuf")],
)
def test_a_door_that_is_not_there_is_told_as_such(ask, method, door):
    reply = ask(method, door, headers=SESSION)

    assert reply.status == 404
    assert reply.error.field == "path"


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST"]),
    door=st.sampled_from(DOORS) | st.text(max_size=40),
    body=st.binary(max_size=100) | st.recursive(st.none() | st.text(max_size=5), st.lists).map(msgspec.json.encode),
    headers=st.dictionaries(
        st.sampled_from(["authorization", "range", "signature", "signature-input", "content-digest", "x"]),
        st.text(st.characters(codec="latin-1"), max_size=40) | st.just(f"Bearer {TOKEN}"),
        max_size=5,
    ),
)
def test_whatever_comes_the_hub_answers_and_blames_the_sender(ask, method, door, body, headers):
    reply = ask(method, door, body, headers=headers)

    assert reply.status < 500
    if reply.status >= 400:
        assert reply.error.message
