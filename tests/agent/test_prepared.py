"""A package with preprocessing: apps pass raw pictures or texts; one without has its session as it is."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from edgewright.agent import Model
from edgewright.agent.disk.policy import Policy, Sampling
from edgewright.agent.disk.spool import Spool
from edgewright.agent.runtimes import ModelUnreadable
from edgewright.agent.serve.learning.copies import copy_of, inputs_of
from edgewright.agent.serve.package import open_package
from edgewright.agent.serve.prepared import Prepared
from edgewright.agent.trial.worker import try_package
from edgewright.contract import manifest as manifests
from edgewright.contract.arrays import decode, encode
from edgewright.contract.data_policy import DataPolicy
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.preprocessing import Step
from edgewright.contract.preprocessing.axes import Reshape
from edgewright.contract.preprocessing.numbers import Cast
from edgewright.contract.preprocessing.picture import Layout, Method, Resize
from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.report import ProfileWindow, Sample
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from scenes import words

if TYPE_CHECKING:
    from on_disk import ModelOnDisk, Trained

STEPS: tuple[Step, ...] = (
    Resize(input="image", layout=Layout.HW, height=8, width=8, method=Method.NEAREST),
    Cast(input="image", dtype=Dtype.FLOAT32, factor=1 / 16),
    Reshape(input="image", shape=(64,)),
)
FRAME = TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, 24, 24), kind=Kind.IMAGE, height=24, width=24)
TEXTS, _ = words.rows(40)


def pack_frames(device: ModelOnDisk, good: Trained, steps: tuple[Step, ...] = STEPS) -> Path:
    """Digits behind frames of three times their size."""
    manifest = manifests.decode((device.pack("a", good) / "manifest.json").read_bytes())
    contract = msgspec.structs.replace(manifest.contract, inputs=(FRAME,), preprocessing=steps)
    answers = {"label": good.label[:64], "probabilities": good.probabilities[:64]}
    golden = {"in:image": frames(good)} | {f"out:{name}": array for name, array in answers.items()}
    schema = build_schema(contract, "digits", 1, {"image": frames(good)}, answers)
    return fill(device, contract, good.onnx, encode(golden), encode_schema(schema))


def pack_words(device: ModelOnDisk, table: str = words.TABLE) -> Path:
    golden = {"in:text": TEXTS, "out:scores": words.scores(TEXTS).astype(np.float32)}
    schema = build_schema(words.CONTRACT, "digits", 1, {"text": TEXTS}, {"scores": golden["out:scores"]})
    extra = {"vocab.txt": table.encode()}
    return fill(device, words.CONTRACT, words.onnx(), encode(golden), encode_schema(schema), **extra)


def fill(device: ModelOnDisk, contract: Contract, onnx: bytes, golden: bytes, schema: bytes, **extra: bytes) -> Path:
    """Slot a, active, with a package of these."""
    folder = device.slot("a")
    folder.mkdir(exist_ok=True)
    roles = {"model.onnx": Role.MODEL, "golden.safetensors": Role.GOLDEN, "reference.bin": Role.REFERENCE}
    contents = dict(zip(roles, (onnx, golden, schema), strict=True)) | extra
    files = tuple(
        File(name=name, role=roles.get(name, Role.ASSET), sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        for name, data in contents.items()
    )
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(manifests.encode(a_manifest(contract, files)))
    device.activate("a")
    return folder


def a_manifest(contract: Contract, files: tuple[File, ...]) -> Manifest:
    return Manifest(
        model="digits",
        version=1,
        counter=1,
        target="any",
        hardware=("x86_64", "aarch64"),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below="2"),
        files=files,
        contract=contract,
        budgets=Budgets(latency_p95_ms=1000.0, memory_bytes=2**31),
        tolerance=Tolerance(rtol=1e-3, atol=1e-4, min_argmax_agreement=0.99),
        recipe=(),
        lineage_sha256="0" * 64,
        data=DataPolicy(may_leave=True),
    )


def frames(good: Trained, count: int = 64) -> np.ndarray:
    small = np.rint(good.images[:count] * 16).astype(np.uint8).reshape(-1, 8, 8)
    return small.repeat(3, axis=1).repeat(3, axis=2)


def records(device: ModelOnDisk, kind: type) -> list[Any]:
    entries = Spool(device.root / "spool").pending(10_000, 10**9)
    return [entry.record for entry in entries if isinstance(entry.record, kind)]


def test_raw_pictures_give_what_the_training_code_gave(device: ModelOnDisk, good: Trained) -> None:
    pack_frames(device, good)

    with Model("digits", device.root) as model:
        outputs = model.predict(image=frames(good))
        with pytest.raises(InvalidInput) as refused:
            model.predict(image=good.images[:1])

    np.testing.assert_allclose(outputs["probabilities"], good.probabilities[:64], rtol=1e-3, atol=1e-5)
    assert refused.value.field == "image"


def test_texts_give_what_the_training_code_gave(device: ModelOnDisk) -> None:
    pack_words(device)

    with Model("digits", device.root) as model:
        fixed = model.predict(text=TEXTS)["scores"]
        objects = model.predict(text=TEXTS.astype(object))["scores"]
        with pytest.raises(InvalidInput):
            model.predict(text=np.array([b"bytes"], object))

    np.testing.assert_allclose(fixed, words.scores(TEXTS), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(fixed, objects)


def test_a_trial_prepares_the_golden_inputs(device: ModelOnDisk, good: Trained) -> None:
    for pack in (lambda: pack_frames(device, good), lambda: pack_words(device)):
        result, package = try_package(pack(), None)

        assert (result.ok, result.reason) == (True, "")
        assert package is not None
        assert result.golden is not None
        assert result.golden.argmax_agreement == 1.0


def test_steps_that_prepare_in_another_way_fail_the_trial(device: ModelOnDisk, good: Trained) -> None:
    wrong = Cast(input="image", dtype=Dtype.FLOAT32, factor=-1 / 16)

    result, _ = try_package(pack_frames(device, good, (STEPS[0], wrong, STEPS[2])), None)

    assert not result.ok
    assert "golden self-test" in result.reason


def test_profiles_and_samples_hold_what_apps_pass(device: ModelOnDisk, good: Trained) -> None:
    pack_frames(device, good)
    device.ask(Policy(sampling=Sampling(request="r1", budget=4)))

    with Model("digits", device.root) as model:
        repeat(lambda: model.predict(image=frames(good)), lambda: bool(records(device, Sample)))

    sample = decode(records(device, Sample)[0].inputs)
    assert (sample["image"].shape, sample["image"].dtype) == ((1, 24, 24), np.uint8)
    assert records(device, ProfileWindow)[0].rows >= 64


def test_samples_of_texts_are_texts(device: ModelOnDisk) -> None:
    pack_words(device)
    device.ask(Policy(sampling=Sampling(request="r1", budget=4)))

    with Model("digits", device.root) as model:
        repeat(lambda: model.predict(text=TEXTS), lambda: bool(records(device, Sample)))

    assert {decode(one.inputs)["text"][0] for one in records(device, Sample)} <= set(TEXTS)


def repeat(act: Any, holds: Any) -> None:
    """Act until it holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        act()
        threading.Event().wait(0.01)


def test_copies_of_texts_reach_a_shadow(device: ModelOnDisk) -> None:
    package = open_package(pack_words(device))
    feeds = package.feeds({"text": TEXTS[:3]})

    copy = copy_of(package, feeds, package.infer(feeds), 0.001)

    assert package.feeds(inputs_of(copy))["text"].tolist() == TEXTS[:3].tolist()


def test_a_table_that_will_not_do_is_no_package(device: ModelOnDisk) -> None:
    with pytest.raises(HostileInput) as refused:
        open_package(pack_words(device, "[PAD]\n[UNK]\n"))

    assert refused.value.field == "files.vocab.txt"


def test_steps_that_do_not_make_what_the_model_takes_are_no_package(device: ModelOnDisk, good: Trained) -> None:
    folder = pack_frames(device, good)
    manifest = manifests.decode((folder / "manifest.json").read_bytes())
    raw = msgspec.structs.replace(FRAME, name="picture")
    steps = tuple(msgspec.structs.replace(step, input="picture") for step in STEPS)
    contract = msgspec.structs.replace(manifest.contract, inputs=(raw,), preprocessing=steps)
    (folder / "manifest.json").write_bytes(manifests.encode(msgspec.structs.replace(manifest, contract=contract)))

    with pytest.raises(ModelUnreadable) as refused:
        open_package(folder)

    assert refused.value.field == "contract.preprocessing"


def test_a_package_without_steps_has_its_session_as_it_is(device: ModelOnDisk, good: Trained) -> None:
    plain = open_package(device.pack("a", good))
    prepared = open_package(pack_frames(device, good))

    assert not isinstance(plain._session, Prepared)
    assert isinstance(prepared._session, Prepared)
