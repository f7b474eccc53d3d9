"""Which boot of the device this is, and how long ago it was: by the kernel, whatever the clock says."""

from __future__ import annotations

import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this boot; '' where the kernel does not tell."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def uptime_s() -> float:
    """Seconds since the device was started, with those that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
