"""One model behind the protocol: what it answers, what it refuses, and that health never waits for an inference."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from edgewright.agent.disk.spool import Spool
from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.serve.answering import Seen
from edgewright.agent.serve.http import Reply, Request
from edgewright.agent.serve.http.asgi import MAX_BODIES_BYTES, MAX_BODY_BYTES, Application
from edgewright.agent.serve.oip.service import Service
from edgewright.agent.serve.pinned import Pinned
from edgewright.contract.errors import HostileInput
from edgewright.contract.report import ProfileWindow

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained


@pytest.fixture
def pinned(device: ModelOnDisk, good: Trained) -> Iterator[Pinned]:
    device.pack("a", good, version=3)
    device.activate("a")
    vitals = Vitals.create_at(device.root / "run" / "vitals" / "w", "digits", device.record.slots["a"].manifest_sha256)
    pinned = Pinned(device.root, "digits", "a", device.record.slots["a"].manifest_sha256, vitals)
    yield pinned
    pinned.close()


@pytest.fixture
def service(pinned: Pinned) -> Iterator[Service]:
    with ThreadPoolExecutor(1) as threads:
        yield Service(pinned, threads, seconds=0.0)


def ask(service: Service, method: str, path: str, content: object = None) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    reply = asyncio.run(answered(service, Request(method, path, {}, body)))
    return reply.status, msgspec.json.decode(b"".join(bytes(part) for part in reply.body))


async def answered(service: Service, request: Request) -> Reply:
    reply = service(request)
    assert isinstance(reply, Reply)
    await asyncio.sleep(0)
    return reply


def question(images: np.ndarray, **more: Any) -> dict[str, Any]:
    tensor = {"name": "image", "shape": images.shape, "datatype": "FP32", "data": images.ravel().tolist()}
    return {"inputs": [tensor], **more}


def test_a_rehearsal_is_answered_and_not_counted(service: Service, pinned: Pinned, good: Trained) -> None:
    learnt = []
    pinned.learn = learnt.append

    service.rehearse({"image": good.images[:1]})

    assert learnt == []


def test_what_people_say_of_answers_is_counted_once(service: Service, pinned: Pinned) -> None:
    said = {"id": "belt-7", "verdict": "wrong"}

    first = ask(service, "POST", "/v2/models/digits/feedback", said)
    again = ask(service, "POST", "/v2/models/digits/versions/3/feedback", said)

    assert first == (200, {"model_name": "digits", "model_version": "3", "counted": True})
    assert again[1]["counted"] is False


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/v2/models/digits/feedback", {"id": "x", "verdict": "maybe"}, 400),
        ("/v2/models/digits/feedback", {"id": "", "verdict": "right"}, 400),
        ("/v2/models/digits/feedback", {"id": "x" * 300, "verdict": "right"}, 400),
        ("/v2/models/digits/feedback", {"id": "x", "verdict": "right", "label": 3}, 400),
        ("/v2/models/digits/feedback", b"[" * 5000, 400),
        ("/v2/models/digits/versions/2/feedback", {"id": "x", "verdict": "right"}, 404),
        ("/v2/models/other/feedback", {"id": "x", "verdict": "right"}, 404),
    ],
)
def test_words_that_cannot_be_counted_are_refused(service: Service, path: str, said: object, status: int) -> None:
    assert ask(service, "POST", path, said)[0] == status


def test_it_infers(service: Service, good: Trained) -> None:
    status, told = ask(service, "POST", "/v2/models/digits/infer", question(good.images[:5], id="belt-7"))

    assert status == 200
    assert (told["model_name"], told["model_version"], told["id"]) == ("digits", "3", "belt-7")
    outputs = {output["name"]: output for output in told["outputs"]}
    assert outputs["label"]["data"] == good.label[:5].tolist()
    assert outputs["probabilities"]["shape"] == [5, 10]


def test_it_tells_who_it_is(service: Service) -> None:
    status, told = ask(service, "GET", "/v2/models/digits")

    assert status == 200
    assert told["versions"] == ["3"]
    assert told["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}]
    assert [output["datatype"] for output in told["outputs"]] == ["INT64", "FP32"]
    assert ask(service, "GET", "/v2/health/ready") == (200, {"ready": True})
    assert ask(service, "GET", "/v2/models/digits/ready") == (200, {"name": "digits", "ready": True})
    assert ask(service, "GET", "/v2")[1]["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "says"),
    [
        ("GET", "/v2/models/other", None, 404, "'other' is not served here"),
        ("GET", "/v2/models/digits/versions/2", None, 404, "version 3 is"),
        ("GET", "/v3", None, 404, "no path"),
        ("DELETE", "/v2/models/digits", None, 405, "takes GET"),
        ("POST", "/v2/models/digits/infer", b"nonsense", 400, "body: "),
        ("POST", "/v2/models/digits/infer", {"inputs": []}, 400, "the input 'image' is missing"),
        ("POST", "/v2/models/digits/infer", question(np.zeros((1, 63))), 400, "1x63"),
        (
            "POST",
            "/v2/models/digits/infer",
            question(np.zeros((1, 64)), outputs=[{"name": "x"}]),
            400,
            "outputs[0].name",
        ),
    ],
)
def test_refusals_say_what_is_wrong(
    service: Service, method: str, path: str, content: object, status: int, says: str
) -> None:
    found, told = ask(service, method, path, content)

    assert found == status
    assert list(told) == ["error"]
    assert says in told["error"]


def test_its_requests_are_counted_as_those_of_an_app(device: ModelOnDisk, pinned: Pinned, good: Trained) -> None:
    pinned.learn(pinned.answer({"image": good.images[:7]}, ""))
    pinned.close()

    records = [entry.record for entry in Spool(device.root / "spool").pending(100, 10**6)]
    assert [(record.version, record.rows) for record in records if isinstance(record, ProfileWindow)] == [(3, 7)]


def test_another_package_than_the_one_asked_for_is_refused(device: ModelOnDisk, good: Trained) -> None:
    device.pack("a", good)
    vitals = Vitals.create_at(device.root / "run" / "vitals" / "w", "digits", "0" * 64)

    with pytest.raises(HostileInput):
        Pinned(device.root, "digits", "a", "0" * 64, vitals)


class Slow:
    """A model that answers when it is told to."""

    name = "slow"

    def __init__(self, pinned: Pinned) -> None:
        self.manifest = pinned.manifest
        self.serving = pinned._serving
        self.may_answer = threading.Event()

    def answer(self, inputs: Mapping[str, np.ndarray], reference: str) -> Seen:
        assert self.may_answer.wait(10)
        return Seen(self.serving, inputs, {"y": np.array([1.0], np.float32)}, 1.0, reference)

    def learn(self, seen: Seen) -> None:
        self.learnt = seen


def test_health_is_answered_while_a_long_inference_runs(pinned: Pinned) -> None:
    slow = Slow(pinned)

    async def both() -> tuple[Reply, Reply]:
        with ThreadPoolExecutor(1) as threads:
            service = Service(slow, threads, seconds=1.0)
            inference = service(Request("POST", "/v2/models/slow/infer", {}, b'{"inputs":[]}'))
            assert not isinstance(inference, Reply)
            running = asyncio.ensure_future(inference)
            await asyncio.sleep(0)
            health = service(Request("GET", "/v2/health/live", {}, b""))
            assert isinstance(health, Reply)
            assert not running.done()
            slow.may_answer.set()
            return health, await running

    health, answer = asyncio.run(both())

    assert (health.status, answer.status) == (200, 200)


class Conversation:
    """One request to the ASGI application, in pieces."""

    def __init__(self, application: Application, headers: dict[str, str], *pieces: bytes) -> None:
        self.sent: list[Any] = []
        self.pieces = list(pieces)
        scope = {
            "type": "http",
            "method": "POST",
            "raw_path": b"/v2",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        asyncio.run(application(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        if not self.pieces:
            return {"type": "http.disconnect"}
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def is_last(self) -> bool:
        return (b"connection", b"close") in self.sent[0]["headers"]


def echo(request: Request) -> Reply:
    return Reply(200, (request.body,))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"content-encoding": "gzip"}, 415),
        ({"x": "y" * 70_000}, 431),
    ],
)
def test_what_is_too_much_is_refused_before_it_is_read(headers: dict[str, str], status: int) -> None:
    talk = Conversation(Application(echo, print), headers, b"abc")

    assert talk.status == status
    assert talk.is_last
    assert talk.pieces == [b"abc"]


def test_a_body_without_a_length_is_bounded_as_it_comes() -> None:
    piece = b"x" * (MAX_BODY_BYTES // 4)

    talk = Conversation(Application(echo, print), {"transfer-encoding": "chunked"}, *[piece] * 5)

    assert talk.status == 413


def test_the_bodies_of_all_requests_together_are_bounded() -> None:
    async def handler(request: Request) -> Reply:
        return Reply(200, (request.body,))

    application = Application(handler, print)
    application._bodies_bytes = MAX_BODIES_BYTES - 10

    assert Conversation(application, {"content-length": "11"}, b"x" * 11).status == 503
    assert Conversation(application, {"content-length": "10"}, b"x" * 10).status == 200
    assert application._bodies_bytes == MAX_BODIES_BYTES - 10


def test_a_client_that_leaves_gets_nothing() -> None:
    assert Conversation(Application(echo, print), {}).sent == []


def test_what_a_handler_raises_is_told_by_its_kind_alone() -> None:
    told: list[Exception] = []

    def fail(request: Request) -> Reply:
        raise RuntimeError("secret")

    talk = Conversation(Application(fail, told.append), {}, b"")

    assert talk.status == 500
    assert b"secret" not in talk.sent[1]["body"]
    assert str(told[0]) == "secret"
