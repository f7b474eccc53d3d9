"""The others: `python -m deltas.peers NAME make BASE NEW DELTA` and `… NAME apply BASE DELTA OUT`, one a process.

Each at the settings that give its smallest files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deltas import simple_peers

LEVEL = 19


def main(name: str, verb: str, *paths: str) -> None:
    make, apply = PEERS[name]
    (make if verb == "make" else apply)(*map(Path, paths))


def bsdiff4_make(base: Path, new: Path, delta: Path) -> None:
    import bsdiff4

    bsdiff4.file_diff(str(base), str(new), str(delta))


def bsdiff4_apply(base: Path, delta: Path, out: Path) -> None:
    import bsdiff4

    bsdiff4.file_patch(str(base), str(out), str(delta))


def xdelta3_make(base: Path, new: Path, delta: Path) -> None:
    _call("xdelta3", "-9", "-S", "lzma", "-B", "536870912", "-W", "16777216", "-e", "-f", "-s", base, new, delta)


def xdelta3_apply(base: Path, delta: Path, out: Path) -> None:
    _call("xdelta3", "-d", "-B", "536870912", "-f", "-s", base, delta, out)


def zstd_make(base: Path, new: Path, delta: Path) -> None:
    _call("zstd", f"-{LEVEL}", "--long=31", "-q", "-f", f"--patch-from={base}", new, "-o", delta)


def zstd_apply(base: Path, delta: Path, out: Path) -> None:
    _call("zstd", "-d", "--long=31", "-q", "-f", f"--patch-from={base}", delta, "-o", out)


def hdiffpatch_make(base: Path, new: Path, delta: Path) -> None:
    import hdiffpatch

    settings = hdiffpatch.Lzma2Config(level=9)
    delta.write_bytes(hdiffpatch.diff(base.read_bytes(), new.read_bytes(), compression=settings, validate=False))


def hdiffpatch_apply(base: Path, delta: Path, out: Path) -> None:
    import hdiffpatch

    out.write_bytes(hdiffpatch.apply(base.read_bytes(), delta.read_bytes()))


def detools_make(base: Path, new: Path, delta: Path) -> None:
    import detools

    with base.open("rb") as before, new.open("rb") as after, delta.open("wb") as sink:
        detools.create_patch(before, after, sink, compression="lzma")


def detools_apply(base: Path, delta: Path, out: Path) -> None:
    import detools

    with base.open("rb") as before, delta.open("rb") as source, out.open("wb") as sink:
        detools.apply_patch(before, source, sink)


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


PEERS = {
    "bsdiff4": (bsdiff4_make, bsdiff4_apply),
    "xdelta3": (xdelta3_make, xdelta3_apply),
    "zstd --patch-from": (zstd_make, zstd_apply),
    "HDiffPatch": (hdiffpatch_make, hdiffpatch_apply),
    "detools": (detools_make, detools_apply),
    "Xet-style chunks": (simple_peers.chunks_make, simple_peers.chunks_apply),
    "tensor XOR": (simple_peers.xor_make, simple_peers.xor_apply),
    "zstd-19, full": (simple_peers.full_make, simple_peers.full_apply),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
