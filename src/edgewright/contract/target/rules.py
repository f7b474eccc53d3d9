"""Which fields of a target contradict each other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgewright.contract.api.optimization import ModelFormat
from edgewright.contract.api.targets import Dtype, RegionKind, SlotKind, Target

OPSETS = range(9, 26)
FORMATS = {
    "onnxruntime": ModelFormat.ONNX,
    "openvino": ModelFormat.ONNX,
    "litert": ModelFormat.TFLITE,
    "tflite-micro": ModelFormat.TFLITE,
}
"""What our runtimes load."""
PROVIDERS = {
    "openvino": ("CPU", "GPU", "NPU"),
    "litert": ("XNNPACK", "CPU", "EdgeTPU"),
    "tflite-micro": ("reference", "CMSIS-NN", "Ethos-U"),
}
"""What they compute with; those of onnxruntime end with 'ExecutionProvider'."""
ISA = {
    **dict.fromkeys(("avx2", "avx512", "vnni", "amx"), ("x86_64",)),
    **dict.fromkeys(("neon", "dotprod", "i8mm", "bf16", "fp16", "sve"), ("aarch64",)),
    "dsp": ("armv7e-m", "armv8-m.main", "armv8.1-m.main"),
    "fpu": ("armv7e-m", "armv8-m.main", "armv8.1-m.main"),
    "mve": ("armv8.1-m.main",),
}
"""Extensions of instruction sets, and the architectures that have them."""
NPU_CONFIGS = {
    "ethos-u55": tuple(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    "ethos-u65": tuple(f"ethos-u65-{macs}" for macs in (256, 512)),
    "ethos-u85": tuple(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
}
"""Accelerators whose compiler must know which one it is (Vela, `--accelerator-config`)."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a field, and what to write instead."""

    field: str
    what: str
    fix: str


def problems(target: Target) -> Iterator[Problem]:
    """Every contradiction, in the order of the fields."""
    for rule in _RULES:
        yield from rule(target)


def _numbers(target: Target) -> Iterator[Problem]:
    if target.ram_bytes == 0:
        yield Problem("ram_bytes", "it is 0", "Write what the smallest machine of the kind has.")
    if target.opset not in OPSETS:
        yield Problem("opset", f"{target.opset} is not from {OPSETS[0]} to {OPSETS[-1]}", "Write the runtime's newest.")
    if target.probe and 0 in (target.probe.fp32_gflops, target.probe.int8_gops, target.probe.memory_gb_s):
        yield Problem("probe", "a rate is 0", "Measure it with `edgewright target probe`.")


def _numerals(target: Target) -> Iterator[Problem]:
    if not target.arch:
        yield Problem("arch", "it is empty", "Name an architecture, as `uname -m` prints it.")
    if not target.dtypes:
        yield Problem("dtypes", "it is empty", "Name the element types that it computes in, such as float32.")
    has_int8 = Dtype.INT8 in target.dtypes
    if has_int8 and target.quantisation is None:
        yield Problem("quantisation", "dtypes name int8 and it is missing", "Add [quantisation], or leave int8 out.")
    if target.quantisation is not None and not has_int8:
        yield Problem("dtypes", "there is a [quantisation] and no int8 here", "Add int8, or leave [quantisation] out.")


def _runtime(target: Target) -> Iterator[Problem]:
    name, provider = target.runtime.name, target.runtime.provider
    loads = FORMATS.get(name, target.format)
    if target.format is not loads:
        yield Problem("format", f"{name} loads {loads} and no {target.format}", f"Write {loads}, or leave it out.")
    known = PROVIDERS.get(name, ())
    if known and provider.partition(".")[0] not in known:
        yield Problem("runtime.provider", f"{name} has no '{provider}'", f"Write one of {', '.join(known)}.")
    if name == "onnxruntime" and not provider.endswith("ExecutionProvider"):
        yield Problem("runtime.provider", f"onnxruntime has no '{provider}'", "Write CPUExecutionProvider or the like.")


def _instructions(target: Target) -> Iterator[Problem]:
    for word in target.isa:
        if word not in ISA:
            yield Problem("isa", f"nothing is known of '{word}'", f"There are {', '.join(ISA)}.")
        elif not set(ISA[word]) & set(target.arch):
            yield Problem("isa", f"{' and '.join(target.arch)} has no {word}", f"It is of {' and '.join(ISA[word])}.")


def _accelerator(target: Target) -> Iterator[Problem]:
    if target.accelerator is None:
        return
    configs = NPU_CONFIGS.get(target.accelerator.type, ())
    if configs and target.accelerator.config not in configs:
        what = f"there is no {target.accelerator.type} '{target.accelerator.config}'"
        yield Problem("accelerator.config", what, f"Write one of {', '.join(configs)}.")
    if configs and (target.toolchain is None or target.toolchain.name != "vela"):
        yield Problem("toolchain", f"{target.accelerator.type} needs Vela's code", 'Add [toolchain] name = "vela".')


def _microcontroller(target: Target) -> Iterator[Problem]:
    if not target.is_microcontroller:
        return
    for name in ("flash_bytes", "clock_hz"):
        if getattr(target, name) == 0:
            yield Problem(name, "a microcontroller's is needed and missing", "See the chip's data sheet.")
    kinds = (RegionKind.SRAM, RegionKind.TCM, RegionKind.DRAM)
    held = sum(region.size_bytes for region in target.memory_regions if region.kind in kinds)
    if target.memory_regions and held < target.ram_bytes:
        what = f"its memories hold {held} bytes, ram_bytes says {target.ram_bytes}"
        yield Problem("memory_regions", what, "Add the missing region, or correct ram_bytes.")


def _limits(target: Target) -> Iterator[Problem]:
    limits = target.constraints
    if limits.max_metric_drop > 1:
        yield Problem("constraints.max_metric_drop", "it is no share", "Write a share: 0.02 for 2 points.")
    if limits.ram_bytes > target.ram_bytes:
        yield Problem("constraints.ram_bytes", "it is more than the ram_bytes that there are", "Write less.")
    if 0 < target.flash_bytes < limits.size_bytes:
        yield Problem("constraints.size_bytes", "it is more than the flash_bytes that there are", "Write less.")


def _slots(target: Target) -> Iterator[Problem]:
    slots = target.slots
    if slots is None or slots.kind is SlotKind.FOLDERS:
        return
    if slots.count == 0 or slots.size_bytes == 0:
        yield Problem("slots", "partitions of flash need a count and a size", "Write count = 2 and size_bytes = ….")
    if slots.count * slots.size_bytes > target.flash_bytes > 0:
        what = f"{slots.count} of {slots.size_bytes} bytes do not fit into {target.flash_bytes} bytes of flash"
        yield Problem("slots.size_bytes", what, "Write less.")


_RULES: tuple[Callable[[Target], Iterator[Problem]], ...] = (
    _numbers,
    _numerals,
    _runtime,
    _instructions,
    _accelerator,
    _microcontroller,
    _limits,
    _slots,
)
