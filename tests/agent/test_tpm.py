"""A device whose key is in a TPM 2.0: swtpm for the chip, Debian's tpm2-pkcs11 in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_hub import CLAIM, ScriptedHub

from edgewright.contract.devicekey import Algorithm

pytestmark = pytest.mark.e2e
LIBRARY = next((str(path) for path in Path("/usr/lib").rglob("libtpm2_pkcs11.so.1")), "")
PIN = "1234"
PATIENCE_S = 60.0


def free_ports() -> tuple[int, int]:
    """Two next to each other: the chip's, and that of its control channel."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port, port + 1


@pytest.fixture
def tpm(tmp_path) -> Iterator[dict[str, str]]:
    """What a process needs that finds the TPM's token, 'edge'."""
    missing = [name for name in ("swtpm", "softhsm2-util", "tpm2_flushcontext") if not shutil.which(name)]
    if missing or not LIBRARY:
        pytest.skip("swtpm, libtpm2-pkcs11-1, tpm2-tools or softhsm2 is not installed (debian-packages.txt)")
    for name in ("state", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "pin").write_text(PIN)
    chip, control = free_ports()
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={tmp_path / 'state'}"]
    command += ["--server", f"type=tcp,port={chip}", "--ctrl", f"type=tcp,port={control}"]
    process = subprocess.Popen([*command, "--flags", "not-need-init,startup-clear"])
    way = f"swtpm:host=127.0.0.1,port={chip}"
    variables = {"TPM2_PKCS11_TCTI": way, "TPM2TOOLS_TCTI": way, "TPM2_PKCS11_STORE": str(tmp_path / "store")}
    variables = {**os.environ, **variables, "PIN_FILE": str(tmp_path / "pin")}
    try:
        wait_for(control)
        words = ["--init-token", "--free", "--label", "edge", "--so-pin", "so" + PIN, "--pin", PIN]
        subprocess.run(["softhsm2-util", "--module", LIBRARY, *words], env=variables, check=True, capture_output=True)
        flush = ["tpm2_flushcontext", "-t"]  # what the kernel's resource manager does for a real chip
        subprocess.run(flush, env=variables, check=True, capture_output=True)
        yield variables
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("swtpm does not start")


def test_a_device_enrols_and_talks_with_a_key_that_never_leaves_its_tpm(tpm, tmp_path):
    hub = ScriptedHub(tmp_path / "hub", now=time.time())
    root = tmp_path / "agent"
    key = f"pkcs11:token=edge?module-path={LIBRARY}&pin-source=file:{tpm['PIN_FILE']}"
    command = [sys.executable, "-m", "edgewright.agent", "run", "--dir", str(root), "--hub", hub.url]
    process = subprocess.Popen([*command, "--claim", CLAIM, "--key", key, "--poll-s", "1"], env=tpm)
    try:
        ends_at = time.monotonic() + PATIENCE_S
        while len(hub.check_ins) < 2 and time.monotonic() < ends_at:
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        hub.close()

    assert len(hub.check_ins) >= 2
    assert hub.device_key is not None
    assert hub.device_key.algorithm is Algorithm.P256
    assert not (root / "device.key").exists()
    assert PIN not in (root / "agent.json").read_text()
