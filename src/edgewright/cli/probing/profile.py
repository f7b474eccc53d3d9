"""A measured machine as a target's TOML, which `edgewright target add` takes. Pure."""

from __future__ import annotations

from typing import Any

from edgewright.cli.probing.machine import Machine
from edgewright.contract.api import Rates
from edgewright.contract.target import write

BASES = {"onnxruntime": "onnxruntime-int8", "openvino": "openvino", "litert": "litert"}
"""The library's base for each runtime, in the order in which they are taken where several are installed."""
HEAD = """\
# Measured on this machine by `edgewright target probe`, {when}.
# Runtimes here: {runtimes}.
# What it does not say it inherits from {base}.
"""


def describe(machine: Machine, target_id: str) -> str:
    """The TOML of the target that this machine is. Rates are rounded to three digits."""
    base = next((base for name, base in BASES.items() if name in machine.runtimes), BASES["onnxruntime"])
    runtimes = ", ".join(f"{name} {version}" for name, version in sorted(machine.runtimes.items())) or "none"
    return HEAD.format(when=machine.when, base=base, runtimes=runtimes) + write(_table(machine, target_id, base))


def rates_of(machine: Machine) -> Rates:
    """The measured rates, as targets hold them."""
    found = machine.rates
    return Rates(
        fp32_gflops=_rounded(found.fp32_gflops),
        int8_gops=_rounded(found.int8_gops),
        memory_gb_s=_rounded(found.memory_gb_s),
        where=f"{machine.name}, one thread, {found.runtime}",
        when=machine.when,
    )


def _table(machine: Machine, target_id: str, base: str) -> dict[str, Any]:
    import msgspec

    table: dict[str, Any] = {
        "id": target_id,
        "title": f"{machine.name}, as measured",
        "inherits": base,
        "class": "single-board" if machine.hardware_ids else "cpu",
        "arch": [machine.arch],
        "isa": list(machine.isa),
        "cores": machine.cores,
        "ram_bytes": machine.ram_bytes,
    }
    if machine.clock_hz:
        table["clock_hz"] = machine.clock_hz
    if machine.hardware_ids:
        table["hardware_ids"] = list(machine.hardware_ids[:1])
    return {**table, "probe": msgspec.to_builtins(rates_of(machine))}


def _rounded(rate: float) -> float:
    return float(f"{rate:.3g}")
