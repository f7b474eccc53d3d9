"""Deltas against bsdiff4 and zstd --patch-from: bytes of trained pairs, speed of applying, cost of making.

The small pairs are real: a digits MLP, fine-tuned on further data, in float32 and as static int8 QDQ. The large
pair is synthetic: heavy-tailed weights and a small update whose size differs by row and column, as training leaves
them; its line says so. Both sides apply in this process, interpreter start not counted. Left out: networks
trained at that size, HDiffPatch, xdelta3 and detools.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import bsdiff4
import numpy as np
import zstandard
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from safetensors.numpy import save_file
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from edgewright.contract import delta

LIMIT_BYTES = 1 << 30
LAYERS = 5
SYNTHETIC = "synthetic float32 safetensors pair with trained-like weights and updates"


class Calibration(CalibrationDataReader):
    """The first images, one at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images[:100])

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"X": image[None]}


def main() -> int:
    """Print one JSON line per figure; 1 if a bound does not hold."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_digits(folder)
        held = [compare_bytes(folder, "digits MLP, fine-tuned, float32 ONNX", "onnx", bound=0.75)]
        held.append(compare_bytes(folder, "digits MLP, fine-tuned, static int8 QDQ ONNX", "int8.onnx", bound=0.5))
        invent_large(folder)
        held += compare_speed(folder)
    return 0 if all(held) else 1


def train_digits(folder: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    model = MLPClassifier((128, 64), random_state=0, max_iter=40).fit(images[:1200], labels[:1200])
    export(model, images, folder, "base")
    model.set_params(warm_start=True, max_iter=5, learning_rate_init=2e-4).fit(images[600:], labels[600:])
    export(model, images, folder, "new")


def export(model: MLPClassifier, images: np.ndarray, folder: Path, name: str) -> None:
    plain = folder / f"{name}.onnx"
    plain.write_bytes(to_onnx(model, images[:1], options={"zipmap": False}).SerializeToString())
    quantize_static(
        plain,
        folder / f"{name}.int8.onnx",
        Calibration(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def invent_large(folder: Path) -> None:
    """Two files of 29 MB: transformer-shaped layers, every weight moved by about a 200th of its size."""
    random = np.random.default_rng(0)
    before, after = {}, {}
    for layer in range(LAYERS):
        for name, shape in {"q": (384, 384), "o": (384, 384), "up": (384, 1536), "down": (1536, 384)}.items():
            weights = (random.standard_t(6, shape) * 0.04).astype(np.float32)
            by_row, by_column = np.exp(random.normal(0, 0.6, (shape[0], 1))), np.exp(random.normal(0, 0.4, shape[1]))
            before[f"{layer}.{name}"] = weights
            after[f"{layer}.{name}"] = weights + (random.normal(0, 2e-4, shape) * by_row * by_column).astype(np.float32)
    save_file(before, folder / "base.safetensors")
    save_file(after, folder / "new.safetensors")


def compare_bytes(folder: Path, figure: str, suffix: str, *, bound: float) -> bool:
    """Ours against the smallest of the peers."""
    base, new = folder / f"base.{suffix}", folder / f"new.{suffix}"
    ours = delta.make(base, new, folder / "ours").delta_bytes
    before, after = base.read_bytes(), new.read_bytes()
    peers = {"bsdiff4": len(bsdiff4.diff(before, after)), "zstd --patch-from -19": len(patch_from(before, after))}
    best = min(peers, key=lambda name: peers[name])
    return tell(f"delta bytes: {figure}", ours, peers[best], best, "bytes", bound, least=False)


def compare_speed(folder: Path) -> list[bool]:
    base, new, ours, peer = (folder / name for name in ("base.safetensors", "new.safetensors", "ours", "peer"))
    make_s = cpu_s(lambda: delta.make(base, new, ours))
    peer_make_s = cpu_s(lambda: bsdiff4.file_diff(str(base), str(new), str(peer)))
    apply_s = min(
        cpu_s(lambda: delta.apply(base, ours, folder / "out", max_result_bytes=LIMIT_BYTES)) for _ in range(3)
    )
    peer_apply_s = min(cpu_s(lambda: bsdiff4.file_patch(str(base), str(folder / "out2"), str(peer))) for _ in range(3))
    assert (folder / "out").read_bytes() == new.read_bytes()
    before, after = base.read_bytes(), new.read_bytes()
    peers = {"bsdiff4": peer.stat().st_size, "zstd --patch-from -19": len(patch_from(before, after))}
    best = min(peers, key=lambda name: peers[name])
    mega = len(after) / 1e6
    return [
        tell(f"delta bytes: {SYNTHETIC}", ours.stat().st_size, peers[best], best, "bytes", 0.8, least=False),
        tell(f"delta make, CPU: {SYNTHETIC}", make_s, peer_make_s, "bsdiff4", "s", 0.25, least=False),
        tell(
            f"delta apply, per CPU-second: {SYNTHETIC}",
            mega / apply_s,
            mega / peer_apply_s,
            "bsdiff4",
            "MB/s",
            2,
            least=True,
        ),
    ]


def patch_from(before: bytes, after: bytes) -> bytes:
    """What `zstd -19 --long --patch-from` does: the base as a raw dictionary within the window."""
    window_log = min(27, max(10, (len(before) + len(after)).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=window_log, enable_ldm=True)
    dictionary = zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(after)


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def tell(figure: str, ours: float, peer: float, peer_name: str, unit: str, bound: float, *, least: bool) -> bool:
    """Print a figure; `bound` is what the ratio ours / peer may not pass (or must reach, if `least`)."""
    ratio = ours / peer
    holds = ratio >= bound if least else ratio <= bound
    line = {
        "figure": figure,
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "peer_name": peer_name,
        "ratio": round(ratio, 3),
        "unit": unit,
        "bound": bound,
        "holds": holds,
    }
    print(json.dumps(line), flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main())
