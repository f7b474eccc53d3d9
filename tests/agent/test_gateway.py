"""The gateway: one door on localhost to all models, pipelines and a page; to this machine alone."""

from __future__ import annotations

import json
import math
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
import serving
from on_disk import CONTRACT, ModelOnDisk
from onnx import TensorProto, helper

from edgewright.agent import ModelNotReady, Pipeline
from edgewright.agent.disk import apps, pipelines
from edgewright.agent.gateway import Gateway
from edgewright.agent.gateway.application import Desk
from edgewright.agent.gateway.models import Folder
from edgewright.agent.gateway.needs import Needs
from edgewright.agent.gateway.page import Facts
from edgewright.agent.serve.http import Reply, Request
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import File, Role
from edgewright.contract.requirement import shortfalls
from edgewright.contract.tensors import Contract, Dtype, TensorSpec

if TYPE_CHECKING:
    from on_disk import Trained

CROPPING = Contract(
    inputs=(TensorSpec(name="photo", dtype=Dtype.FLOAT32, shape=(None, 64)),),
    outputs=(
        TensorSpec(name="crop", dtype=Dtype.FLOAT32, shape=(None, 64)),
        TensorSpec(name="brightness", dtype=Dtype.FLOAT32, shape=(None,)),
    ),
)
SPEC = {"stages": ["detect", "digits"], "connect": {"image": "crop"}}


def cropping() -> bytes:
    """Halves a photo, and says how bright it is."""
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    nodes = [
        helper.make_node("Mul", ["photo", "half"], ["crop"]),
        helper.make_node("ReduceMean", ["photo"], ["brightness"], axes=[1], keepdims=0),
    ]
    ends = [("crop", [None, 64]), ("brightness", [None])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends]
    inputs = [helper.make_tensor_value_info("photo", TensorProto.FLOAT, [None, 64])]
    graph = helper.make_graph(nodes, "cropping", inputs, outputs, [half])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def pack_detector(root: Path, good: Trained, contract: Contract = CROPPING) -> ModelOnDisk:
    device = ModelOnDisk(root, "detect")
    folder = device.pack("a", good)
    model = cropping()
    (folder / "model.onnx").write_bytes(model)
    manifest = manifests.decode((folder / "manifest.json").read_bytes())
    files = [file for file in manifest.files if file.role is Role.GOLDEN]
    files.append(File(name="model.onnx", role=Role.MODEL, sha256=manifests.digest(model), size_bytes=len(model)))
    manifest = msgspec.structs.replace(manifest, files=tuple(files), contract=contract)
    (folder / "manifest.json").write_bytes(manifests.encode(manifest))
    device.activate("a")
    return device


def write_pipelines(root: Path, **named: object) -> None:
    (root / pipelines.NAME).write_text(json.dumps({"pipelines": named}))


@pytest.fixture
def root(tmp_path: Path, good: Trained) -> Path:
    root = tmp_path / "agent"
    digits = ModelOnDisk(root)
    digits.pack("a", good, version=4)
    digits.activate("a")
    pack_detector(root, good)
    return root


class Site:
    """A device whose agent is the test: two workers, and the gateway on a port of its own."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self.stack = stack
        self.workers = {model: self.start(model) for model in ("digits", "detect")}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "edgewright.agent.gateway.child",
            "--root",
            str(root),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command)
        stack.callback(self.process.kill)
        self.client = HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.is_up():
            assert self.process.poll() is None

    def start(self, model: str) -> serving.Worker:
        worker = self.stack.enter_context(serving.running(self.root, model, "a"))
        worker.phase()
        return worker

    def is_up(self) -> bool:
        try:
            return self.ask("GET", "/v2/health/live").status == 200
        except OSError:
            self.client.close()
            return False

    def ask(self, method: str, path: str, content: object = None, **headers: str) -> serving.Answer:
        body = content if content is None or isinstance(content, bytes) else msgspec.json.encode(content)
        self.client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = self.client.getresponse()
        return serving.Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, good: Trained) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("agent")
    digits = ModelOnDisk(root)
    digits.pack("a", good, version=4)
    digits.activate("a")
    pack_detector(root, good)
    write_pipelines(root, reader=SPEC)
    with ExitStack() as stack:
        yield Site(root, stack)


def question(name: str, images: np.ndarray, **more: Any) -> dict[str, Any]:
    tensor = {"name": name, "shape": images.shape, "datatype": "FP32", "data": images.ravel().tolist()}
    return {"inputs": [tensor], **more}


def outputs_of(answer: serving.Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


@pytest.mark.e2e
def test_every_model_is_served_under_its_name(site: Site, good: Trained) -> None:
    answer = site.ask("POST", "/v2/models/digits/infer", question("image", good.images[:3]))

    assert outputs_of(answer)["label"] == good.label[:3].tolist()
    assert site.ask("GET", "/v2/models/detect").json()["name"] == "detect"
    assert site.ask("GET", "/v2/health/ready").json() == {"ready": True}
    assert site.ask("GET", "/v2/models/nobody").status == 404
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.e2e
def test_feedback_passes_to_the_model_and_not_to_a_pipeline(site: Site, good: Trained) -> None:
    said = {"id": "belt-7", "verdict": "right"}

    answers = [site.ask("POST", f"/v2/models/{name}/feedback", said) for name in ("digits", "digits", "reader")]

    assert [answer.status for answer in answers] == [200, 200, 404]
    assert [answer.json()["counted"] for answer in answers[:2]] == [True, False]


@pytest.mark.e2e
def test_bytes_pass_through_as_they_are(site: Site, good: Trained) -> None:
    images = np.repeat(good.images, 2, axis=0)
    size = {"binary_data_size": images.nbytes}
    tensor = {"name": "image", "shape": images.shape, "datatype": "FP32", "parameters": size}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()

    answer = site.ask(
        "POST", "/v2/models/digits/infer", head + images.tobytes(), Inference_Header_Content_Length=str(len(head))
    )

    size = int(answer.headers["inference-header-content-length"])
    assert (np.frombuffer(answer.body[size : size + 8 * len(images)], np.int64) == np.repeat(good.label, 2)).all()


@pytest.mark.e2e
def test_a_pipeline_answers_as_one_model(site: Site, good: Trained) -> None:
    metadata = site.ask("GET", "/v2/models/reader").json()
    answer = site.ask("POST", "/v2/models/reader/infer", question("photo", 2 * good.images[:5], id="7"))

    assert [spec["name"] for spec in metadata["inputs"]] == ["photo"]
    assert [spec["name"] for spec in metadata["outputs"]] == ["label", "probabilities", "crop", "brightness"]
    assert metadata["versions"] == ["1-4"]
    told = outputs_of(answer)
    assert told["label"] == good.label[:5].tolist()
    np.testing.assert_allclose(told["crop"], good.images[:5].ravel(), rtol=1e-6)
    assert (answer.json()["model_name"], answer.json()["id"]) == ("reader", "7")


@pytest.mark.e2e
def test_a_pipeline_gives_what_is_asked_for_in_the_form_that_is_asked_for(site: Site, good: Trained) -> None:
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "brightness"}]

    answer = site.ask("POST", "/v2/models/reader/infer", question("photo", 2 * good.images[:2], outputs=wanted))

    size = int(answer.headers["inference-header-content-length"])
    told = json.loads(answer.body[:size])["outputs"]
    assert [output["name"] for output in told] == ["label", "brightness"]
    assert np.frombuffer(answer.body[size:], np.int64).tolist() == good.label[:2].tolist()
    np.testing.assert_allclose(told[1]["data"], (2 * good.images[:2]).mean(axis=1), rtol=1e-5)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (question("image", np.zeros((1, 64))), "the pipeline has no input 'image'"),
        (question("photo", np.zeros((1, 64)), outputs=[{"name": "x"}]), "the pipeline has no output 'x'"),
        (question("photo", np.zeros((1, 63))), "detect: the input 'photo' has shape 1x63"),
        (b"nonsense", "body: "),
    ],
)
def test_what_a_pipeline_refuses_is_named(site: Site, content: object, says: str) -> None:
    answer = site.ask("POST", "/v2/models/reader/infer", content)

    assert answer.status == 400
    assert says in answer.json()["error"]


@pytest.mark.e2e
def test_a_worker_that_swaps_never_shows(site: Site, good: Trained) -> None:
    asked = question("image", good.images[:1])
    statuses = [site.ask("POST", "/v2/models/digits/infer", asked).status for _ in range(5)]

    old, site.workers["digits"] = site.workers["digits"], site.start("digits")
    old.process.terminate()
    while old.process.poll() is None:
        statuses.append(site.ask("POST", "/v2/models/digits/infer", asked).status)
    statuses += [site.ask("POST", "/v2/models/digits/infer", asked).status for _ in range(5)]

    assert old.process.returncode == 0
    assert set(statuses) == {200}
    assert len(statuses) > 10


@pytest.mark.e2e
def test_the_gateway_carries_no_numpy(site: Site) -> None:
    mapped = Path(f"/proc/{site.process.pid}/maps").read_text()

    assert "numpy" not in mapped
    assert "onnxruntime" not in mapped


@pytest.mark.e2e
def test_the_page_needs_no_enrolment_to_say_what_is_wrong(site: Site) -> None:
    facts = msgspec.json.decode(site.ask("GET", "/status.json").body, type=Facts)
    page = site.ask("GET", "/")

    assert facts.trouble == "this device is not enrolled yet"
    assert facts.pipelines[0].name == "reader"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"this device is not enrolled yet" in page.body
    assert b"<script" not in page.body


def ask(root: Path, path: str = "/v2/health/live", **headers: str) -> Reply:
    reply = Desk(Folder(root))(Request("GET", path, {name.replace("_", "-"): v for name, v in headers.items()}, b""))
    assert isinstance(reply, Reply)  # at once, for nothing of this needs a worker
    return reply


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LocalHost"])
def test_this_machine_is_answered(root: Path, host: str) -> None:
    assert ask(root, host=host).status == 200
    assert ask(root, host=host, origin=f"http://{host}").status == 200


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil"])
def test_another_host_name_is_refused(root: Path, host: str) -> None:
    for path in ("/", "/status.json", "/v2"):
        assert ask(root, path, host=host).status == 421


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}, {"origin": "http://localhost:1"}],
)  # fmt: skip
def test_pages_of_other_sites_are_refused(root: Path, headers: dict[str, str]) -> None:
    assert ask(root, host="localhost:8080", **headers).status == 403


def test_what_pipelines_need_is_declared_and_holds_back_what_would_break_them(root: Path, good: Trained) -> None:
    write_pipelines(root, reader=SPEC)
    needs = Needs(Folder(root))

    needs.turn()

    declared = {found.model: found.wanted for found in apps.declarations(root)}
    assert set(declared) == {"detect", "digits"}
    assert shortfalls(declared["detect"], CROPPING) == shortfalls(declared["digits"], CONTRACT) == []
    smaller = msgspec.structs.replace(CROPPING.outputs[0], shape=(None, 32))
    assert shortfalls(declared["detect"], msgspec.structs.replace(CROPPING, outputs=(smaller,))) != []

    write_pipelines(root)
    needs.turn()

    assert apps.declarations(root) == ()


def test_a_spoilt_file_of_pipelines_is_told_and_changes_nothing(root: Path) -> None:
    write_pipelines(root, reader=SPEC)
    needs = Needs(Folder(root))
    needs.turn()

    (root / pipelines.NAME).write_text("{")
    needs.turn()

    assert "pipelines.json" in Folder(root).trouble()
    assert len(apps.declarations(root)) == 2


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"stages": ["detect", "detect"], "connect": {"image": "crop"}}, "pipelines.reader"),
        ({"stages": ["reader", "digits"], "connect": {"image": "crop"}}, "pipelines.reader"),
        ({"stages": ["detect", "digits"], "connect": {}}, "pipelines.reader"),
        ({"stages": ["../x", "digits"], "connect": {"image": "crop"}}, "pipelines.reader"),
        ({"stages": ["detect"], "connect": {"image": "crop"}}, "pipelines.json"),
    ],
)
def test_a_pipeline_that_makes_no_sense_is_named(root: Path, spec: object, field: str) -> None:
    write_pipelines(root, reader=spec)

    with pytest.raises(InvalidInput) as caught:
        pipelines.load(root)

    assert caught.value.field == field


def test_a_pipeline_in_process_answers_as_one_model(root: Path, good: Trained) -> None:
    with Pipeline("detect", "digits", connect={"image": "crop"}, dir=root, app="line-3") as pipeline:
        outputs = pipeline.predict(photo=2 * good.images[:5])

    assert set(outputs) == {"label", "probabilities", "crop", "brightness"}
    assert (outputs["label"] == good.label[:5]).all()
    assert {found.model for found in apps.declarations(root)} == {"detect", "digits"}


@pytest.mark.parametrize(
    ("connect", "field"),
    [
        ({"picture": "crop"}, "connect.picture"),
        ({"image": "frame"}, "connect.image"),
        ({"image": "brightness"}, "connect.image"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(root: Path, connect: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Pipeline("detect", "digits", connect=connect, dir=root)

    assert caught.value.field == field


def test_a_pipeline_in_process_needs_both_models(root: Path) -> None:
    with pytest.raises(ModelNotReady):
        Pipeline("detect", "missing", connect={"image": "crop"}, dir=root)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_gateway_that_ends_is_started_again_and_later_each_time(tmp_path: Path) -> None:
    clock = Clock()
    gateway = Gateway(tmp_path, 1, clock, [sys.executable, "-c", "pass"])
    pauses = []
    for _ in range(3):
        assert gateway.turn() == math.inf
        (end,) = list(gateway.waits_on())[-1:]
        wait_for(end)
        pauses.append(gateway.turn())
        clock.now += pauses[-1]
    gateway.close()

    assert pauses == [1.0, 2.0, 4.0]


def test_a_gateway_that_is_let_go_has_time_to_answer(tmp_path: Path) -> None:
    answered = tmp_path / "answered"
    draining = (
        "import signal, sys, pathlib\n"
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path({str(answered)!r}).touch()))\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    gateway = Gateway(tmp_path, 1, time.monotonic, [sys.executable, "-c", draining])
    gateway.turn()
    wait_for(next(iter(gateway.waits_on())))

    gateway.close()

    assert answered.exists()


def wait_for(descriptor: int) -> None:
    assert select.select([descriptor], [], [], 30)[0]
