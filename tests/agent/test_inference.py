"""The app's door: it answers from the disk alone, through swaps, and what is watched on the side never fails it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load

from edgewright.agent import Model, ModelNotReady
from edgewright.agent.disk import apps
from edgewright.agent.disk.policy import Policy, Sampling
from edgewright.agent.disk.spool import Spool
from edgewright.agent.runtimes import InferenceFailed
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import File, Role
from edgewright.contract.profile import Profile, decode_schema
from edgewright.contract.report import Fault, ProfileWindow, Record, Sample
from edgewright.contract.tensors import Contract, Dtype, TensorSpec

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained


def records(device: ModelOnDisk, kind: type[Record]) -> list[Any]:
    entries = Spool(device.root / "spool").pending(10_000, 10**9)
    return [entry.record for entry in entries if isinstance(entry.record, kind)]


def until(holds: Callable[[], bool], model: Model | None = None, image: np.ndarray | None = None) -> None:
    """Go on with requests until `holds`; fails after ten seconds."""
    deadline = time.monotonic() + 10
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        if model is not None:
            model.predict(image=image)
        pause.wait(0.002)


@pytest.fixture
def ready(device: ModelOnDisk, good: Trained) -> ModelOnDisk:
    device.pack("a", good)
    device.activate("a")
    return device


@pytest.fixture
def model(ready: ModelOnDisk) -> Iterator[Model]:
    with Model("digits", ready.root) as model:
        yield model


def test_it_answers_like_the_trained_model(model: Model, good: Trained) -> None:
    outputs = model.predict(image=good.images[:20])

    assert set(outputs) == {"label", "probabilities"}
    assert (outputs["label"] == good.label[:20]).all()
    np.testing.assert_allclose(outputs["probabilities"], good.probabilities[:20], rtol=1e-3, atol=1e-5)
    assert (model.version, model.counter) == (1, 10)


def test_the_folder_may_come_from_the_environment(ready: ModelOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_AGENT_DIR", str(ready.root))

    with Model("digits") as model:
        assert model.version == 1


@pytest.mark.parametrize(
    ("inputs", "field", "says"),
    [
        ({}, "image", "missing"),
        ({"picture": np.zeros((1, 64), np.float32)}, "picture", "no input 'picture'"),
        ({"image": np.zeros((1, 64), np.float64)}, "image", "float64"),
        ({"image": np.zeros((1, 63), np.float32)}, "image", "1x63"),
        ({"image": np.zeros(64, np.float32)}, "image", "shape 64"),
        ({"image": np.zeros((0, 64), np.float32)}, "image", "shape 0x64"),
        ({"image": [[0.0] * 64]}, "image", "list"),
        ({"image": np.full((1, 64), "a")}, "image", "<U1"),
    ],
)
def test_input_that_breaks_the_contract_is_named(model: Model, inputs: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        model.predict(**inputs)

    assert caught.value.field == field
    assert says in caught.value.message


def test_input_that_can_be_widened_safely_is_taken(model: Model, good: Trained) -> None:
    pixels = (good.images[:1] * 16).astype(np.uint8)

    assert model.predict(image=pixels)["label"].shape == (1,)


def test_without_a_package_it_says_what_to_do(device: ModelOnDisk) -> None:
    with Model("digits", device.root) as model:
        with pytest.raises(ModelNotReady) as caught:
            model.predict(image=np.zeros((1, 64), np.float32))
        with pytest.raises(ModelNotReady):
            model.wait_ready(0.0)

    assert "agent" in caught.value.hint


def test_an_app_may_wait_for_the_first_package(device: ModelOnDisk, good: Trained) -> None:
    with Model("digits", device.root) as model:
        device.pack("a", good)
        threading.Timer(0.1, device.activate, args=["a"]).start()

        model.wait_ready(10.0)

        assert model.version == 1


def test_a_contract_that_the_package_breaks_is_refused(ready: ModelOnDisk) -> None:
    wanted = Contract(inputs=(TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, 64)),), outputs=())

    with pytest.raises(InvalidInput) as caught:
        Model("digits", ready.root, contract=wanted)

    assert caught.value.field == "contract.inputs.image.dtype"


def test_a_torn_record_is_read_from_its_double(ready: ModelOnDisk) -> None:
    path = ready.folder / "state.json"
    path.write_bytes(path.read_bytes()[:-20])

    with Model("digits", ready.root) as model:
        assert model.version == 1


@pytest.mark.parametrize("damage", ["model.onnx", "manifest.json"])
def test_the_spare_slot_stands_in_for_a_damaged_one(ready: ModelOnDisk, good: Trained, damage: str) -> None:
    ready.pack("b", good, version=2)
    ready.activate("b")
    path = ready.slot("b") / damage
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with Model("digits", ready.root) as model:
        assert model.predict(image=good.images[:1])["label"].shape == (1,)
        assert model.version == 1

    assert [record.code for record in records(ready, Fault)] == ["hostile_input"]


def test_a_swap_fails_no_request(ready: ModelOnDisk, good: Trained) -> None:
    failures: list[Exception] = []
    answered = [0]
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                model.predict(image=good.images[:1])
                answered[0] += 1
            except Exception as error:
                failures.append(error)

    with Model("digits", ready.root) as model:
        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        for version in range(2, 8):
            slot = "ab"[version % 2 == 0]
            ready.pack(slot, good, version=version)
            ready.activate(slot)
            until(lambda version=version: model.version == version)
        stop.set()
        for thread in asking:
            thread.join()

    assert failures == []
    assert answered[0] > 50


def test_a_damaged_new_package_leaves_the_old_one_answering(ready: ModelOnDisk, good: Trained) -> None:
    with Model("digits", ready.root) as model:
        model.predict(image=good.images[:1])
        ready.pack("b", good, version=2)
        (ready.slot("b") / "model.onnx").write_bytes(b"nothing")
        ready.activate("b")

        until(lambda: bool(records(ready, Fault)), model, good.images[:1])

        assert model.version == 1


def test_every_request_is_counted_in_the_window_of_its_version(ready: ModelOnDisk, good: Trained) -> None:
    with Model("digits", ready.root) as model:
        for row in range(10):
            model.predict(image=good.images[row : row + 1])
        ready.pack("b", good, version=2)
        ready.activate("b")
        until(lambda: model.version == 2, model, good.images[:1])
        model.predict(image=good.images[:5])

    windows = records(ready, ProfileWindow)
    rows = {version: sum(window.rows for window in windows if window.version == version) for version in (1, 2)}
    assert rows[1] >= 10
    assert rows[2] >= 5
    assert len({window.id for window in windows}) == len(windows)
    for window in windows:
        slot = ready.slot("ab"[window.version - 1])
        schema = decode_schema((slot / "reference.bin").read_bytes())
        assert window.schema_sha256 == schema.sha256
        assert Profile.from_bytes(schema, window.payload).rows == window.rows


def test_a_window_closes_when_its_time_is_over_though_no_request_comes(ready: ModelOnDisk, good: Trained) -> None:
    ready.ask(Policy(window_s=0.2))
    with Model("digits", ready.root) as model:
        until(lambda: model._answering._recorder.window_s == 0.2, model, good.images[:1])
        model.predict(image=good.images[:3])

        until(lambda: sum(window.rows for window in records(ready, ProfileWindow)) >= 3)


def test_a_request_that_the_model_fails_at_is_counted_as_one_without_an_answer(
    ready: ModelOnDisk, good: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = onnxruntime.InferenceSession.run

    def fails_at_pairs(session: Any, names: Any, feeds: dict[str, np.ndarray]) -> Any:
        if len(feeds["image"]) == 2:
            raise RuntimeError("out of memory")
        return run(session, names, feeds)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", fails_at_pairs)
    with Model("digits", ready.root) as model:
        model.predict(image=good.images[:3])

        with pytest.raises(InferenceFailed):
            model.predict(image=good.images[:2])

    (window,) = records(ready, ProfileWindow)
    schema = decode_schema((ready.slot("a") / "reference.bin").read_bytes())
    profile = Profile.from_bytes(schema, window.payload)
    assert profile.rows == 5
    assert (profile.of("score")[-1], profile.of("predicted")[-1]) == (2, 2)


def test_refusals_and_what_people_say_are_in_the_window(ready: ModelOnDisk, good: Trained) -> None:
    with Model("digits", ready.root) as model:
        model.predict(reference="a", image=good.images[:1])
        with pytest.raises(InvalidInput):
            model.predict(image=good.images[:1, :7])

        counted = [model.feedback("a", is_right=False), model.feedback("a", is_right=False)]
        counted += [model.feedback("b", is_right=True), model.feedback("c", is_right=True, version=9)]

    (window,) = records(ready, ProfileWindow)
    profile = Profile.from_bytes(decode_schema((ready.slot("a") / "reference.bin").read_bytes()), window.payload)
    assert counted == [True, False, True, False]
    assert profile.of("feedback").tolist() == [1, 1]
    assert profile.of("image.quality").tolist() == [1, 0, 0, 0]


def test_not_a_number_disturbs_nobody(ready: ModelOnDisk, good: Trained) -> None:
    with Model("digits", ready.root) as model:
        model.predict(image=np.full((4, 64), np.nan, np.float32))
        model.predict(image=np.full((4, 64), np.inf, np.float32))
        model.predict(image=good.images[:2])

    assert sum(window.rows for window in records(ready, ProfileWindow)) == 10


def test_the_names_of_the_classes_come_from_the_package(ready: ModelOnDisk, good: Trained) -> None:
    folder = ready.pack("b", good, version=2)
    names = "".join(f"digit {number}\n" for number in range(10)).encode()
    (folder / "names.txt").write_bytes(names)
    file = File(name="names.txt", role=Role.LABELS, sha256=manifests.digest(names), size_bytes=len(names))
    manifest = manifests.decode((folder / "manifest.json").read_bytes())
    manifest = msgspec.structs.replace(manifest, files=(*manifest.files, file))
    (folder / "manifest.json").write_bytes(manifests.encode(manifest))

    with Model("digits", ready.root) as model:
        assert model.labels == tuple(map(str, range(10)))  # as the contract names them
        ready.activate("b")
        until(lambda: model.predict(image=good.images[:1]) and model.version == 2)
        assert model.labels[3] == "digit 3"
        assert len(model.labels) == 10


def test_a_package_without_a_reference_still_answers(ready: ModelOnDisk, good: Trained) -> None:
    folder = ready.pack("b", good, version=2)
    manifest = manifests.decode((folder / "manifest.json").read_bytes())
    files = tuple(file for file in manifest.files if file.role is not Role.REFERENCE)
    manifest = msgspec.structs.replace(manifest, files=files)
    (folder / "manifest.json").write_bytes(manifests.encode(manifest))
    ready.activate("b")

    with Model("digits", ready.root) as model:
        assert model.predict(image=good.images[:1])["label"].shape == (1,)
        assert model.version == 2

    assert [record.code for record in records(ready, Fault)] == ["profiling_failed"]


def test_a_spool_that_cannot_be_written_fails_no_request(ready: ModelOnDisk, good: Trained) -> None:
    (ready.root / "spool").write_text("in the way")

    with Model("digits", ready.root) as model:
        assert model.predict(image=good.images[:1])["label"].shape == (1,)


def test_samples_are_chosen_once_for_a_request(ready: ModelOnDisk, good: Trained) -> None:
    ready.ask(Policy(sampling=Sampling(request="r1", budget=8)))
    for _ in range(2):
        with Model("digits", ready.root) as model:
            until(
                lambda model=model: model._answering._thread is not None,
                model,
                good.images[:1],
            )
            for row in range(120):
                model.predict(reference=f"ref-{row}", image=good.images[row : row + 1])
            if not records(ready, Sample):
                until(lambda: len(records(ready, Sample)) == 8, model, good.images[:1])

    samples = records(ready, Sample)
    assert len(samples) == 8
    assert [sample.chosen_as for sample in samples].count("reservoir") == 2
    assert {sample.request for sample in samples} == {"r1"}
    assert load(samples[0].inputs)["image"].shape == (1, 64)
    assert set(load(samples[0].outputs)) == {"label", "probabilities"}


def test_a_forked_child_infers_and_reports_under_a_name_of_its_own(ready: ModelOnDisk, good: Trained) -> None:
    with Model("digits", ready.root) as model:
        model.predict(image=good.images[:3])

        child = os.fork()
        if child == 0:
            answer = model.predict(image=good.images[:2])["label"]
            model.close()
            os._exit(0 if (answer == good.label[:2]).all() else 1)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0

    windows = records(ready, ProfileWindow)
    assert sorted(window.rows for window in windows) == [2, 3]
    assert len({window.id for window in windows}) == 2


def test_an_app_that_just_ends_sends_its_last_window(ready: ModelOnDisk) -> None:
    code = (
        "import numpy as np, sys; from edgewright.agent import Model\n"
        "Model('digits', sys.argv[1]).predict(image=np.zeros((7, 64), np.float32))"
    )

    subprocess.run([sys.executable, "-c", code, str(ready.root)], check=True, timeout=60)

    assert [window.rows for window in records(ready, ProfileWindow)] == [7]


def test_the_supervisor_side_imports_no_numpy() -> None:
    code = (
        "import sys, edgewright.agent, edgewright.agent.disk, edgewright.agent.trial, edgewright.agent.runtimes\n"
        "sys.exit('numpy' in sys.modules or 'onnxruntime' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_event_loop_goes_on_while_it_infers(model: Model, good: Trained) -> None:
    async def ask() -> list[dict[str, np.ndarray]]:
        return await asyncio.gather(*(model.apredict(image=good.images[row : row + 1]) for row in range(8)))

    answers = asyncio.run(ask())

    assert [int(answer["label"][0]) for answer in answers] == good.label[:8].tolist()


def test_who_gives_up_waiting_is_free_and_the_request_is_still_counted(ready: ModelOnDisk, good: Trained) -> None:
    async def give_up(model: Model) -> None:
        asking = asyncio.ensure_future(model.apredict(image=good.images[:5]))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with Model("digits", ready.root) as model:
        asyncio.run(give_up(model))
        model.predict(image=good.images[:2])

    assert sum(window.rows for window in records(ready, ProfileWindow)) == 7


def test_arrays_are_not_copied_on_their_way_to_the_runtime(model: Model, good: Trained) -> None:
    image = np.ascontiguousarray(good.images[:1])

    feeds = model._serving.package.feeds({"image": image})

    assert feeds["image"] is image


def test_what_an_app_requires_is_declared_and_held(ready: ModelOnDisk) -> None:
    with Model("digits", ready.root, contract=">=1", app="line-3"):
        pass
    with pytest.raises(InvalidInput) as caught:
        Model("digits", ready.root, contract=">=2", app="line-4")

    assert caught.value.field == "contract.version"
    assert [(found.app, found.required) for found in apps.declarations(ready.root)] == [
        ("line-3", ">=1"),
        ("line-4", ">=2"),
    ]


def test_an_app_starts_where_nothing_can_be_declared(ready: ModelOnDisk, good: Trained) -> None:
    (ready.root / "apps").write_text("in the way")

    with Model("digits", ready.root, contract=">=1") as model:
        assert model.predict(image=good.images[:1])["label"].shape == (1,)


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        Model("../secrets", tmp_path)
