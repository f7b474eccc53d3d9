"""What the machine goes through while something is measured: load, heat, where its power comes from, free memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from edgewright.contract.report import Conditions

SYS, PROC = Path("/sys"), Path("/proc")
PLAUSIBLE_C = (-60.0, 200.0)  # what lies outside is a sensor that is not there


def conditions(sys: Path = SYS) -> Conditions:
    """The machine now; what it does not tell is None.

    Documentation/driver-api/thermal/sysfs-api.rst and Documentation/ABI/testing/sysfs-class-power of Linux.
    """
    load = None
    with contextlib.suppress(OSError):
        load = round(os.getloadavg()[0], 2)
    supplies = list(_supplies(sys / "class" / "power_supply"))
    return Conditions(
        load=load,
        temperature_c=_hottest_c(sys / "class" / "thermal"),
        is_on_battery=_is_on_battery(supplies),
        battery_percent=_battery_percent(supplies),
    )


def available_bytes(proc: Path = PROC) -> int | None:
    """Memory that can be had without swapping (proc(5), MemAvailable); None where the kernel does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _hottest_c(zones: Path) -> float | None:
    found = []
    for zone in sorted(zones.glob("thermal_zone*")):
        with contextlib.suppress(OSError, ValueError):
            found.append(int((zone / "temp").read_text()) / 1000)
    plausible = [degrees for degrees in found if PLAUSIBLE_C[0] < degrees < PLAUSIBLE_C[1]]
    return max(plausible, default=None)


def _supplies(folder: Path) -> Iterator[dict[str, str]]:
    for supply in sorted(folder.glob("*")):
        facts = {}
        for name in ("type", "scope", "online", "status", "capacity"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                facts[name] = (supply / name).read_text().strip()
        if facts.get("scope") != "Device":  # the battery of a mouse, say
            yield facts


def _is_on_battery(supplies: list[dict[str, str]]) -> bool | None:
    batteries = [one for one in supplies if one.get("type") == "Battery"]
    if any(one.get("online") == "1" for one in supplies if one not in batteries):
        return False
    return any(one.get("status") == "Discharging" for one in batteries) if batteries else None


def _battery_percent(supplies: list[dict[str, str]]) -> int | None:
    told = (one.get("capacity", "") for one in supplies if one.get("type") == "Battery")
    return next((int(text) for text in told if text.isdigit() and int(text) <= 100), None)
