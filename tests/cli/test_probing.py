"""This machine as a target: what the kernel says of a processor, what was measured, and the TOML that comes of it."""

from __future__ import annotations

import pytest
from onnx import TensorProto, checker, helper

from edgewright.cli.probing.machine import Machine
from edgewright.cli.probing.processor import clock_of, isa_of, name_of
from edgewright.cli.probing.profile import describe
from edgewright.cli.probing.rates import MODELS, SIDE, Measured, measure
from edgewright.contract.target import read, resolve
from edgewright.hub.optimize.targets import library

PI = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid asimdrdm asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b

Revision\t: c04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R)   Processor
cpu MHz\t\t: 2600.000
flags\t\t: fpu avx2 avx512f avx512_vnni amx_int8
"""
MACHINE = Machine(
    name='Board "B"',
    arch="aarch64",
    cores=4,
    isa=("neon", "dotprod"),
    clock_hz=2_400_000_000,
    ram_bytes=8_000_000_000,
    hardware_ids=("raspberrypi,5-model-b", "brcm,bcm2712"),
    runtimes={"litert": "2.1.0", "onnxruntime": "1.23.2"},
    providers={"onnxruntime": ("CPUExecutionProvider",)},
    rates=Measured(fp32_gflops=31.234, int8_gops=98.76, memory_gb_s=9.1, rounds=7, spread=0.1, runtime="onnxruntime 1"),
    when="2026-11-21T10:00:00Z",
)


def test_a_processor_is_known_by_what_the_kernel_says():
    assert (name_of(PI), isa_of(PI)) == ("Raspberry Pi 5 Model B Rev 1.0", ("neon", "dotprod", "fp16"))
    assert (name_of(XEON), isa_of(XEON)) == ("Intel(R) Xeon(R) Processor", ("avx2", "avx512", "vnni", "amx"))
    assert name_of("CPU implementer\t: 0x41\nCPU part\t: 0xd08\n") == "CPU 0x41 0xd08"


def test_the_highest_clock_counts_and_an_unknown_one_is_0():
    assert [clock_of(PI, "2400000\n"), clock_of(XEON, ""), clock_of(PI, "")] == [2_400_000_000, 2_600_000_000, 0]


@pytest.mark.parametrize("runtimes", [{"onnxruntime": "1.23.2"}, {"litert": "2.1.0"}, {"openvino": "2026.1"}, {}])
def test_a_profile_is_a_target_that_a_hub_takes(runtimes):
    import msgspec

    arch, isa = ("x86_64", ("avx2",)) if "openvino" in runtimes else ("aarch64", ("neon", "dotprod"))
    machine = msgspec.structs.replace(MACHINE, runtimes=runtimes, arch=arch, isa=isa)

    target = resolve(read(describe(machine, "board-b"), "b.toml"), library()).target

    assert (target.id, target.title, target.ram_bytes) == ("board-b", 'Board "B", as measured', 8_000_000_000)
    assert target.hardware_ids == ("raspberrypi,5-model-b",)
    assert target.runtime.name == next(iter(runtimes), "onnxruntime")
    assert target.probe is not None
    assert (target.probe.fp32_gflops, target.probe.int8_gops, target.probe.when) == (31.2, 98.8, machine.when)
    assert target.probe.where == 'Board "B", one thread, onnxruntime 1'


def test_rates_are_measured_in_rounds_that_take_turns():
    found = measure(0.2)

    assert found.rounds == 7
    assert min(found.fp32_gflops, found.int8_gops, found.memory_gb_s) > 0.1
    assert found.runtime.startswith("onnxruntime ")


@pytest.mark.parametrize(
    ("kind", "op_type", "types"),
    [
        ("fp32", "MatMul", (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT)),
        ("int8", "MatMulInteger", (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)),
    ],
)
def test_the_models_that_are_measured_with_are_these(kind, op_type, types):
    a, b, y = (helper.make_tensor_value_info(name, of, [SIDE, SIDE]) for name, of in zip("aby", types, strict=True))
    graph = helper.make_graph([helper.make_node(op_type, ["a", "b"], ["y"])], "g", [a, b], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    checker.check_model(model)

    assert (MODELS / f"matmul-{kind}.onnx").read_bytes() == model.SerializeToString()
