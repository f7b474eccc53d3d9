"""What /proc/cpuinfo says of a processor: its name, its instructions and its clock. Pure, but for reading the clock."""

from __future__ import annotations

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")

FLAGS = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "amx": ("amx_int8",),
    "neon": ("asimd",),
    "dotprod": ("asimddp",),
    "fp16": ("asimdhp",),
    "i8mm": ("i8mm",),
    "bf16": ("bf16",),
    "sve": ("sve",),
}
"""Our word for an extension, and the kernel's words, one of which says that it is there."""


def isa_of(cpuinfo: str) -> tuple[str, ...]:
    """The extensions that the first processor has."""
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)
    words = set(found[1].split()) if found else set()
    return tuple(name for name, flags in FLAGS.items() if words.intersection(flags))


def name_of(cpuinfo: str) -> str:
    """What the processor calls itself; on Arm, which tells numbers alone, the machine's name or those numbers."""
    told = dict(re.findall(r"^([\w ]+?)\s*: (.+)$", cpuinfo, re.MULTILINE))
    if name := told.get("model name") or told.get("Model"):
        return " ".join(name.split())
    numbers = (f"{told[key]}" for key in ("CPU implementer", "CPU part") if key in told)
    return " ".join(["CPU", *numbers])


def clock_of(cpuinfo: str, max_khz: str) -> int:
    """Hertz: the highest clock that the kernel knows of ('2400000', in kHz), else the present one, else 0."""
    if max_khz.strip().isdecimal():
        return int(max_khz) * 1000
    found = re.search(r"^cpu MHz\s*: ([\d.]+)$", cpuinfo, re.MULTILINE)
    return round(float(found[1]) * 1e6) if found else 0


def read_text(path: Path) -> str:
    """What a file of the kernel says; "" where it is not there."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
