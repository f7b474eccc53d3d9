"""What this machine computes with beside its processor, as its runtimes and its drivers tell."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

SYS = Path("/sys")
MAX_ACCELERATORS = 16
OF_PROVIDERS = {
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "tensorrt",
    "ROCMExecutionProvider": "rocm",
    "MIGraphXExecutionProvider": "rocm",
    "QNNExecutionProvider": "qnn",
    "VitisAIExecutionProvider": "vitis-ai",
    "CoreMLExecutionProvider": "coreml",
    "NnapiExecutionProvider": "nnapi",
    "GPU": "intel-gpu",  # OpenVINO's devices; 'GPU.1' is another of the same kind
    "NPU": "intel-npu",
}
OF_CLASSES = {"ethosu": "ethos-u", "apex": "edge-tpu", "hailo_chardev": "hailo"}
"""Device classes of drivers that stand outside Linux' own class `accel`."""
OF_DRIVERS = {"intel_vpu": "intel-npu", "amdxdna": "amd-npu", "rocket": "rockchip-npu", "ethosu": "ethos-u"}
"""Drivers of the class `accel`; one that is not named here stands for itself."""


def find_accelerators(providers: Mapping[str, Iterable[str]], sys: Path = SYS) -> tuple[str, ...]:
    """Their names, sorted. `providers`, by runtime, are what a runtime can use; `sys` is where Linux tells of drivers.

    Documentation/accel/introduction.rst of Linux: each accelerator is a device `accelN` of the class `accel`.
    """
    named = (name.partition(".")[0] for of_one in providers.values() for name in of_one)
    found = {OF_PROVIDERS[name] for name in named if name in OF_PROVIDERS}
    found |= {name for kind, name in OF_CLASSES.items() if _names(sys / "class" / kind)}
    for device in _names(sys / "class" / "accel"):
        with contextlib.suppress(OSError):
            driver = (sys / "class" / "accel" / device / "device" / "driver").readlink().name
            found.add(OF_DRIVERS.get(driver, driver[:40]))
    return tuple(sorted(found)[:MAX_ACCELERATORS])


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))[:MAX_ACCELERATORS]
    except OSError:
        return []
