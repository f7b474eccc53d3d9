"""Large packages, and packages of very many files: from the upload to the device's slot, each side a process."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.client.resources import Blobs
from edgewright.client.transport import Transport
from edgewright.contract import manifest as manifests
from edgewright.contract.api import FileRef, LoginDraft, LoginReply
from edgewright.contract.manifest import Budgets, File, Manifest, Role, Runtime, Tolerance
from edgewright.contract.tensors import Contract
from scenes.lines import peak_mib
from scenes.served import PASSWORD, USER

pytestmark = pytest.mark.e2e

TESTS = Path(__file__).parents[1]
MIB = 1 << 20
GIB = 1 << 30
CHUNK_BYTES = 4 * MIB


class Site:
    """A served hub, and a device that fetches from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
        argv = [sys.executable, "-m", "scenes.served", str(folder / "hub")]
        self.hub = subprocess.Popen(
            argv, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told = json.loads(self.hub.stdout.readline())
        self.transport = Transport(self.told["url"], "")
        reply = self.transport.post("login", body=LoginDraft(user=USER, password=PASSWORD), into=LoginReply)
        self.transport.use_token(reply.token)

    def upload(self, chunks: Iterator[bytes], sha256: str, size_bytes: int) -> None:
        self.transport.put_blob(sha256, chunks, size_bytes)

    def receive(self, files: list[File]) -> dict[str, float]:
        """Bring a package of these files into the device's slot; what that took."""
        data = manifests.encode(package(files))
        sha256 = manifests.digest(data)
        self.upload(iter([data]), sha256, len(data))
        argv = [sys.executable, "-m", "scenes.receiver", str(self.folder / "device")]
        argv += [self.told["url"], self.told["key"], self.told["device"], sha256]
        done = subprocess.run(argv, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        return {**json.loads(done.stdout), "hub_peak_mib": peak_mib(self.hub.pid)}

    def disk_bytes(self) -> int:
        """What the device's folder takes on the disk: a file with two names is there once."""
        found = {}
        for path in (self.folder / "device").rglob("*"):
            facts = path.stat()
            found[facts.st_ino] = facts.st_blocks * 512
        return sum(found.values())

    def close(self) -> None:
        self.transport.close()
        self.hub.stdin.close()
        self.hub.wait(30)
        self.hub.stdout.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


def package(files: list[File]) -> Manifest:
    return Manifest(
        model="big",
        version=1,
        counter=1,
        target="any",
        hardware=(platform.machine(),),
        runtime=Runtime(name="onnxruntime", minimum="1.17", below=""),
        files=tuple(files),
        contract=Contract(inputs=(), outputs=()),
        budgets=Budgets(latency_p95_ms=1.0, memory_bytes=1),
        tolerance=Tolerance(rtol=0.0, atol=0.0, min_argmax_agreement=0.0),
        recipe=(),
        lineage_sha256="0" * 64,
    )


def tell(what: str, facts: dict[str, float]) -> None:
    print(f"\n{what}: {json.dumps(facts)}")  # noqa: T201


@pytest.mark.slow
def test_ten_thousand_small_files_take_seconds(site):
    folder, files = site.folder / "files", []
    folder.mkdir()
    for number in range(10_000):
        data = b"file %d " % number * 40
        (folder / f"part-{number}.bin").write_bytes(data)
        facts = {"sha256": manifests.digest(data), "size_bytes": len(data)}
        files.append(File(name=f"part-{number}.bin", role=Role.ASSET, **facts))
    began = time.monotonic()
    refs = [FileRef(path=file.name, sha256=file.sha256, size_bytes=file.size_bytes) for file in files]
    Blobs(site.transport).put_files([(folder / ref.path, ref) for ref in refs])
    upload_s = time.monotonic() - began

    took = site.receive(files)

    tell("10 000 files", {"upload_s": round(upload_s, 1), **took})
    slot = site.folder / "device" / "models" / "big" / "a"
    assert len(list(slot.iterdir())) == 10_001
    assert took["fetch_s"] + took["stage_s"] < 100.0  # some 10 s where nobody else works
    assert took["peak_mib"] < 200


@pytest.mark.slow
@pytest.mark.parametrize("gib", [2, 5])
def test_gigabytes_cost_no_memory_and_no_second_copy(site, gib):
    size_bytes = gib * GIB + 12_345
    sha256 = hashlib.sha256()
    for chunk in pattern(size_bytes):
        sha256.update(chunk)
    file = File(name="weights.bin", role=Role.ASSET, sha256=sha256.hexdigest(), size_bytes=size_bytes)
    began = time.monotonic()
    site.upload(pattern(size_bytes), file.sha256, size_bytes)
    upload_s = time.monotonic() - began

    took = site.receive([file])

    tell(f"{gib} GiB", {"upload_s": round(upload_s, 1), **took, "disk_gib": round(site.disk_bytes() / GIB, 2)})
    assert took["peak_mib"] < 150
    assert took["hub_peak_mib"] < 400
    assert site.disk_bytes() < size_bytes + 64 * MIB


def pattern(size_bytes: int) -> Iterator[bytes]:
    """So many bytes, no two pieces of 4 MiB alike."""
    block = hashlib.shake_256(b"pattern").digest(CHUNK_BYTES)
    for number, start in enumerate(range(0, size_bytes, CHUNK_BYTES)):
        yield (number.to_bytes(8, "big") + block[8:])[: size_bytes - start]
