"""What a variant costs, by what was run here and what a compiler said; and what may run it."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import ModelFormat, Place
from edgewright.hub.optimize.measuring import Subject, figures
from edgewright.hub.optimize.measuring.model import Engine, RunAnswer
from edgewright.hub.optimize.model import Precision
from edgewright.hub.optimize.targets import target

CPU = target("x86-64-vnni")
PI = target("raspberry-pi-5")
ORT = Engine(runtime="onnxruntime", provider="CPUExecutionProvider", version="1.31.1")


def ran(p50_ms, engine=ORT, peak_bytes=1000):
    return RunAnswer(engine=engine, p50_ms=p50_ms, p95_ms=2 * p50_ms, p99_ms=3 * p50_ms, peak_bytes=peak_bytes)


def subject(**estimates):
    return Subject(id="t1", model="model.onnx", precision=Precision.INT8, estimates=estimates)


def through(name, provider, goal=CPU):
    return msgspec.structs.replace(goal, runtime=msgspec.structs.replace(goal.runtime, name=name, provider=provider))


@pytest.mark.parametrize(
    ("goal", "format", "wanted"),
    [
        (CPU, ModelFormat.ONNX, ["onnxruntime CPUExecutionProvider"]),
        (CPU, ModelFormat.TFLITE, ["litert XNNPACK"]),
        (
            through("openvino", "NPU"),
            ModelFormat.ONNX,
            ["openvino NPU", "openvino CPU", "onnxruntime CPUExecutionProvider"],
        ),
    ],
)
def test_the_target_s_own_runtime_comes_first_and_then_what_is_nearest(goal, format, wanted):
    assert [str(engine) for engine in figures.engines(goal, format)] == wanted


def test_a_place_says_what_it_stands_in_for():
    assert figures.where(CPU, ORT, "x86_64") == "hub (x86_64), onnxruntime 1.31.1 CPUExecutionProvider, 1 thread"
    assert figures.where(PI, ORT, "x86_64").endswith("stands in for aarch64")
    assert figures.where(through("openvino", "GPU"), ORT, "x86_64").endswith("stands in for openvino GPU")


def test_of_two_rounds_the_quieter_counts_and_the_greater_memory():
    quiet = figures.quietest([ran(2.0, peak_bytes=10), ran(1.0, peak_bytes=30)])

    assert (quiet.p50_ms, quiet.p99_ms, quiet.peak_bytes) == (1.0, 3.0, 30)


def test_a_compiler_s_estimate_is_believed_before_this_machine_s_clock():
    goal = msgspec.structs.replace(CPU, clock_hz=500_000_000)

    cycles = figures.timing(goal, subject(cycles=1_000_000), ran(1.0), ran(1.0))
    told = figures.timing(goal, subject(cycles=1_000_000, latency_ms=0.5), ran(1.0), ran(1.0))

    assert (cycles.p50_ms, cycles.place) == (2.0, Place.ESTIMATE)
    assert told.p50_ms == 0.5
    assert figures.memory(goal, subject(sram_bytes=4096), ran(1.0)).peak_bytes == 4096


def test_no_processor_s_time_speaks_for_a_gpu_that_is_not_here():
    goal = through("onnxruntime", "TensorrtExecutionProvider")
    gpu = msgspec.structs.replace(ORT, provider="TensorrtExecutionProvider")

    absent = figures.timing(goal, subject(), ran(9.0), ran(1.0))
    there = figures.timing(goal, subject(), ran(0.2, gpu), ran(1.0, gpu))

    assert (absent.p50_ms, absent.place) == (1.0, Place.ESTIMATE)
    assert absent.where.startswith("not known: there is no TensorrtExecutionProvider here")
    assert (there.p50_ms, there.place) == (0.2, Place.HUB)


def test_energy_is_power_by_time_where_the_power_is_known():
    taken = figures.timing(CPU, subject(), ran(4.0), ran(4.0))

    assert figures.energy(msgspec.structs.replace(CPU, power_mw=0), taken) is None
    assert figures.energy(msgspec.structs.replace(CPU, power_mw=500), taken).mj == pytest.approx(2.0)
