"""A device's way to the blobs of a served hub, without anything of the hub."""

from __future__ import annotations

import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.agent.link import BlobLine, Link, Patience, Throttle
from edgewright.contract.devicekey import SoftKey

PATIENCE = Patience(silence_s=10.0, min_bytes_s=100.0, monotonic=time.monotonic)


def line(url: str, key: Ed25519PrivateKey, device: str) -> BlobLine:
    link = Link(url, SoftKey(key), device=device, clock=time.time, patience=PATIENCE, talk_s=60.0)
    throttle = Throttle(0.0, time.monotonic, lambda _: False)
    return BlobLine(link, throttle=throttle, patience=PATIENCE, measured=lambda *_, **__: None)


def load_key(text: str) -> Ed25519PrivateKey:
    """The key that `main` has printed."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))


def peak_mib(process: int) -> int:
    """The most memory that a process has had resident (getrusage would count what it was forked from)."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))
