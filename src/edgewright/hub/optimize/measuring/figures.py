"""What a variant costs on its target, from what was run here and what a compiler said. Pure."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

from edgewright.contract.api import Energy, Memory, ModelFormat, Place, Target, Timing
from edgewright.hub.optimize.measuring.model import TFLITE_MICRO, Engine, RunAnswer, Subject
from edgewright.hub.registry.runner import LITERT, ONNX_RUNTIME

AT_HOME = {ModelFormat.ONNX: ONNX_RUNTIME, ModelFormat.TFLITE: LITERT}
"""What runs a format on any processor, the last resort."""


STAND_INS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "openvino": (("openvino", "CPU"),),
    TFLITE_MICRO: (("litert", "CPU"),),  # its kernels round as those of microcontrollers do, XNNPACK's do not
}
"""What stands in for a target's runtime first, where this machine lacks it, or what it computes with."""


GPUS = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})
"""Whose time a processor's says nothing of: signed int8, which they want, is slower than float32 on x86."""


def engines(goal: Target, model_format: ModelFormat) -> tuple[Engine, ...]:
    """What may run a model of that format for the target, best first: its own runtime, else what comes nearest."""
    name, provider = goal.runtime.name, goal.runtime.provider
    own = ((name, provider), *STAND_INS.get(name, ())) if model_format is goal.format else ()
    return tuple(Engine(runtime=a, provider=b) for a, b in dict.fromkeys((*own, AT_HOME[model_format])))


def where(goal: Target, engine: Engine, machine: str = "") -> str:
    """Say in words where a figure was measured, and what that stands in for."""
    machine = machine or platform.machine()
    told = f"hub ({machine}), {engine}, 1 thread"
    if (engine.runtime, engine.provider) != (goal.runtime.name, goal.runtime.provider):
        return f"{told}: stands in for {goal.runtime.name} {goal.runtime.provider}"
    return told if machine in goal.arch else f"{told}: stands in for {' or '.join(goal.arch)}"


def quietest(rounds: Sequence[RunAnswer]) -> RunAnswer:
    """One answer of several: the least latencies, as other work on the machine only adds to them; the most memory."""
    first = rounds[0]
    return RunAnswer(
        engine=first.engine,
        p50_ms=min(each.p50_ms for each in rounds),
        p95_ms=min(each.p95_ms for each in rounds),
        p99_ms=min(each.p99_ms for each in rounds),
        peak_bytes=max(each.peak_bytes for each in rounds),
        arena_bytes=first.arena_bytes,
    )


def timing(goal: Target, subject: Subject, ran: RunAnswer, source: RunAnswer) -> Timing:
    """The compiler's estimate where it gave one: it speaks of the target, and this machine's time does not. Where a GPU
    is missing, the source's time for every subject, so that none is faster or slower than it.
    """
    said = subject.estimates
    if "latency_ms" in said:
        return _estimated(said["latency_ms"], "the compiler's estimate")
    if "cycles" in said and goal.clock_hz:
        cycles = said["cycles"]
        told = f"the compiler's estimate: {cycles:,.0f} cycles at {goal.clock_hz / 1e6:g} MHz"
        return _estimated(cycles / goal.clock_hz * 1000, told)
    if goal.runtime.provider in GPUS and ran.engine.provider != goal.runtime.provider:
        told = f"not known: there is no {goal.runtime.provider} here, and the source's time stands for all"
        return _timed(source, Place.ESTIMATE, told)
    return _timed(ran, Place.HUB, where(goal, ran.engine))


def memory(goal: Target, subject: Subject, ran: RunAnswer) -> Memory:
    """The arena that a compiler gave, or that tflite-micro would plan for its targets; else the process's peak here."""
    if "sram_bytes" in subject.estimates:
        arena = int(subject.estimates["sram_bytes"])
        return Memory(peak_bytes=arena, place=Place.ESTIMATE, where="the compiler's estimate of the arena")
    if goal.runtime.name == TFLITE_MICRO and ran.arena_bytes:
        return Memory(peak_bytes=ran.arena_bytes, place=Place.ESTIMATE, where="tflite-micro arena estimate")
    return Memory(peak_bytes=ran.peak_bytes, place=Place.HUB, where=where(goal, ran.engine))


def energy(goal: Target, taken: Timing) -> Energy | None:
    """Power by time; None where the target's power is not known. An estimate wherever the time comes from."""
    if not goal.power_mw:
        return None
    told = f"{goal.power_mw} mW for the p50, which comes from {taken.where}"
    return Energy(mj=goal.power_mw * taken.p50_ms / 1000, place=Place.ESTIMATE, where=told)


def _timed(ran: RunAnswer, place: Place, told: str) -> Timing:
    return Timing(p50_ms=ran.p50_ms, p95_ms=ran.p95_ms, p99_ms=ran.p99_ms, place=place, where=told)


def _estimated(latency_ms: float, told: str) -> Timing:
    return Timing(p50_ms=latency_ms, p95_ms=latency_ms, p99_ms=latency_ms, place=Place.ESTIMATE, where=told)
