"""The toolchains that there are."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.contract.errors import NotFound
from edgewright.hub.optimize.toolchains.arm64 import emulated
from edgewright.hub.optimize.toolchains.model import Toolchain
from edgewright.hub.optimize.toolchains.pinned import pinned

MB = 1_000_000

LITERT = {
    "absl-py": "2.5.1",
    "ai-edge-litert": "2.3.0",
    "ai-edge-quantizer": "0.10.0",
    "backports.strenum": "1.2.8",
    "flatbuffers": "25.12.19",
    "immutabledict": "4.3.1",
    "litert-lm-builder": "0.18.1",
    "ml-dtypes": "0.6.0",
    "numpy": "2.4.6",
    "protobuf": "7.36.2",
    "scipy": "1.17.1",
    "tomli": "2.5.0",
    "tqdm": "4.70.1",
    "typing-extensions": "4.16.0",
}
"""ai-edge-quantizer and all that it imports. No torch: what converts ONNX is in the hub's own environment."""

ARM64 = {"numpy": "2.3.5", "onnxruntime": "1.23.2"}
"""ONNX Runtime 1.31 crashes under Debian 12's QEMU 7.2."""

TOOLCHAINS: Mapping[str, Toolchain] = {
    one.name: one
    for one in (
        Toolchain(
            name="litert",
            title="int8 for LiteRT, tflite-micro and Ethos-U: Google's AI Edge Quantizer",
            needs_bytes=330 * MB,
            versions=LITERT,
            build=pinned(LITERT),
            check=("-I", "-c", "import ai_edge_quantizer.quantizer, ai_edge_quantizer.recipe"),
        ),
        Toolchain(
            name="arm64",
            title="an emulated arm64 machine with ONNX Runtime: do variants answer there as they do here?",
            needs_bytes=185 * MB,
            versions=ARM64,
            build=emulated(ARM64),
            check=("-I", "-c", "import numpy, onnxruntime"),
        ),
    )
}


def toolchain(name: str) -> Toolchain:
    """The one of that name; raises NotFound, which names the known ones."""
    if name not in TOOLCHAINS:
        known = ", ".join(sorted(TOOLCHAINS))
        raise NotFound(f"there is no toolchain '{name[:80]}'", field="name", hint=f"There are: {known}.")
    return TOOLCHAINS[name]
