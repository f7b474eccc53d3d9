"""Attacks by bytes: too many, too slow, and deltas that make what nobody ordered."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from device import Applied, serving_counter
from scripted_hub import ScriptedHub
from wired import Agent

from edgewright.agent.link import Patience
from edgewright.contract.delta import make
from edgewright.contract.errors import HostileInput
from scenes.patching import apply_delta
from threats.scene import release, reports

HASTE = Patience(silence_s=0.2, min_bytes_s=10_000.0, monotonic=time.monotonic)
BOMB_BYTES = 512 * 1024
DOORS = ["nonce", "session", "checkin", "tuf", "blobs"]


def flood() -> Iterator[bytes]:
    return itertools.repeat(b"x" * 65_536)


def drip() -> Iterator[bytes]:
    for _ in itertools.count():
        time.sleep(0.02)
        yield b"x"


@pytest.fixture
def hasty(tmp_path, hub) -> Agent:
    """A device that waits for less, so that a test need not wait for it."""
    return Agent(tmp_path / "agent", hub, patience=HASTE)


def on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("door", DOORS)
def test_data_without_an_end_is_cut_off_at_what_was_signed_or_at_a_cap(hasty, hub, door):
    release(hub, hasty, 1)
    before = on_disk(hasty.root)
    hub.release(2)
    hub.tokens.clear()
    hub.streams = {door: flood}

    hasty.work(for_s=10.0)

    assert on_disk(hasty.root) < before + 64 * 1024
    assert serving_counter(hasty.root) == 1


@pytest.mark.parametrize("door", DOORS)
def test_data_that_trickles_is_given_up_and_the_device_goes_on(hasty, hub, door):
    release(hub, hasty, 1)
    hub.release(2)
    hub.tokens.clear()
    hub.streams = {door: drip}
    began = time.monotonic()

    hasty.work(for_s=10.0)
    took_s = time.monotonic() - began
    hub.streams = {}
    hasty.work(for_s=60.0)

    assert took_s < 10.0
    assert serving_counter(hasty.root) == 2


class Patching:
    """Applies deltas as the real device does, in a process of its own, and looks at how much was written."""

    def __init__(self) -> None:
        self.written_bytes: list[int] = []

    def __call__(self, base: Path, delta: Path, result: Path, max_bytes: int) -> Applied:
        try:
            apply_delta(base, delta, result, max_bytes)
        except HostileInput:
            return Applied(is_broken=True)
        finally:
            self.written_bytes.append(result.stat().st_size if result.exists() else 0)
        return Applied(is_broken=False)


@pytest.fixture
def patching() -> Patching:
    return Patching()


@pytest.fixture
def patched(tmp_path, hub, patching) -> Agent:
    return Agent(tmp_path / "agent", hub, patch=patching)


def order_delta(hub: ScriptedHub, folder: Path, base: bytes, result: bytes, **changes) -> None:
    """Publish release 2, and name a real delta from `base` to `result` as the way to it."""
    folder.mkdir()
    for name, data in (("base", base), ("result", result)):
        (folder / name).write_bytes(data)
    make(folder / "base", folder / "result", folder / "delta")
    install, _, data = hub.releases.install(2, delta=(folder / "delta").read_bytes())
    fetches = (msgspec.structs.replace(install.fetches[0], **changes),)
    hub.publish(msgspec.structs.replace(install, fetches=fetches), data)


def test_an_honest_delta_is_taken(patched, patching, hub, tmp_path):
    release(hub, patched, 1)
    order_delta(hub, tmp_path / "made", *(hub.releases.files(counter)["model.onnx"] for counter in (1, 2)))

    patched.work(for_s=60.0)

    assert reports(hub)[-1].used_delta
    assert patching.written_bytes == [1800]


@pytest.mark.parametrize("is_base_right", [False, True], ids=["on a wrong base", "to other bytes"])
def test_a_delta_that_makes_other_bytes_is_done_without(patched, patching, hub, tmp_path, is_base_right):
    release(hub, patched, 1)
    right, wanted = (hub.releases.files(counter)["model.onnx"] for counter in (1, 2))
    base, result = (right, right + b"\7" * 900) if is_base_right else (os.urandom(len(right)), wanted)
    order_delta(hub, tmp_path / "made", base, result)

    patched.work(for_s=60.0)

    assert len(patching.written_bytes) == 1
    assert not reports(hub)[-1].used_delta
    assert serving_counter(patched.root) == 2


@pytest.mark.parametrize("told_bytes", [1800, BOMB_BYTES], ids=["told small", "told large"])
def test_a_delta_that_blows_up_writes_no_more_than_was_signed(patched, patching, hub, tmp_path, told_bytes):
    release(hub, patched, 1)
    right = hub.releases.files(1)["model.onnx"]
    order_delta(hub, tmp_path / "made", right, bytes(BOMB_BYTES), result_bytes=told_bytes)

    patched.work(for_s=60.0)

    assert max(patching.written_bytes, default=0) <= 1800
    assert not reports(hub)[-1].used_delta
    assert serving_counter(patched.root) == 2
