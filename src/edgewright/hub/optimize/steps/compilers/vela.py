"""Vela: Arm's compiler puts the operators of an int8 .tflite file that an Ethos-U takes into a program for it."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import msgspec

from edgewright.contract.api import ModelFormat
from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import Outcome, Precision
from edgewright.hub.optimize.steps import About, StepContext

CONFIG = "Arm/vela.ini"
"""The system configurations and memory modes that come with Vela."""

KIB = 1024
TAIL_CHARS = 1500
COUNTS = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)
REFUSAL = re.compile(r"^Error: (.+)", re.MULTILINE)


class VelaParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which accelerator, in which system, and where its memory lies: words of Vela's own."""

    accelerator: str = "ethos-u55-128"
    system_config: str = "Ethos_U55_High_End_Embedded"
    memory_mode: str = "Shared_Sram"


class Vela:
    """ethos-u-vela; cycles, time and memory are its estimates, from the summary that it writes."""

    about: ClassVar = About(
        summary="a program for Ethos-U of an int8 .tflite file, with cycles and memory as Vela estimates them",
        takes=ModelFormat.TFLITE,
        gives=ModelFormat.TFLITE,
        modules=("ethosu",),
        extra="vela",
        precision=Precision.INT8,
        is_opaque=True,
    )
    params: ClassVar[type[msgspec.Struct]] = VelaParams

    def apply(self, model: Path, params: VelaParams, context: StepContext) -> Outcome:
        """Compile; raises InvalidInput where Vela does not take the model, or nothing of it runs on the accelerator."""
        source = context.folder / "model.tflite"  # the name of what Vela makes
        source.write_bytes(model.read_bytes())
        said = _compile(source, params)
        source.unlink()
        counts = {where: int(count) for where, count in COUNTS.findall(said)}
        on_npu, on_cpu = counts.get("NPU", 0), counts.get("CPU", 0)
        if not on_npu:
            raise InvalidInput(
                f"{params.accelerator} takes none of the model's {on_cpu} operators: all would run on the processor",
                field="recipe.vela",
                hint="Vela takes int8 models; put `litert precision=int8` before it.",
            )
        estimates = _estimates(context.folder)
        return Outcome(
            path=str(context.folder / "model_vela.tflite"),
            note=_note(params, on_npu, on_cpu, estimates),
            format=ModelFormat.TFLITE,
            tools={"ethos-u-vela": metadata.version("ethos-u-vela")},
            estimates=estimates,
        )


def _compile(source: Path, params: VelaParams) -> str:
    """Run it; returns what it said."""
    argv = [
        *(sys.executable, "-P", "-c", "import sys; from ethosu.vela.vela import main; sys.exit(main())"),
        *(str(source), "--output-dir", str(source.parent), "--config", CONFIG),
        *("--accelerator-config", params.accelerator),
        *("--system-config", params.system_config),
        *("--memory-mode", params.memory_mode),
    ]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        found = REFUSAL.search(done.stdout)
        why = found[1] if found else (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise InvalidInput(f"Vela does not take it: {why}", field="recipe.vela", hint=done.stdout[-TAIL_CHARS:])
    return done.stdout


def _estimates(folder: Path) -> dict[str, float]:
    """What the summary says, in bytes, cycles and milliseconds."""
    with next(folder.glob("*_summary_*.csv")).open(newline="") as file:
        row: Mapping[str, str] = next(csv.DictReader(file))
    flash_kib = float(row["on_chip_flash_memory_used"]) + float(row["off_chip_flash_memory_used"])
    found = {
        "cycles": float(row["cycles_total"]),
        "latency_ms": float(row["inference_time"]) * 1000,
        "sram_bytes": float(row["sram_memory_used"]) * KIB,
        "dram_bytes": float(row["dram_memory_used"]) * KIB,
        "flash_bytes": flash_kib * KIB,
    }
    return {name: value for name, value in found.items() if value}


def _note(params: VelaParams, on_npu: int, on_cpu: int, estimates: Mapping[str, float]) -> str:
    memory = ", ".join(f"{estimates[f'{kind}_bytes'] / KIB:.1f} KiB {kind.upper()}" for kind in _kinds(estimates))
    return (
        f"{on_npu} operators on {params.accelerator}, {on_cpu} on the processor; Vela estimates "
        f"{estimates['cycles']:,.0f} cycles, {estimates['latency_ms']:.3f} ms, {memory}"
    )


def _kinds(estimates: Mapping[str, float]) -> list[str]:
    return [kind for kind in ("sram", "dram", "flash") if f"{kind}_bytes" in estimates]
