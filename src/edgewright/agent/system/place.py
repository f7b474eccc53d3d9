"""Where this machine stands: by what kind of link the world is reached, and in which time zone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from edgewright.contract import windows
from edgewright.contract.errors import InvalidInput

ROOT = Path("/")
_RTF_UP = 1
_ETHERNET, _RAW_IP = "1", "519"  # ARPHRD_* of Linux' if_arp.h
_KINDS = {"wlan": "wifi", "wwan": "cellular"}  # DEVTYPE of an interface's uevent


def find_link_kind(root: Path = ROOT) -> str:
    """'ethernet', 'wifi' or 'cellular': the interface of the default route; '' where that does not tell.

    A modem that shows itself as a network card is told as one. What is virtual (a container's, a bridge, a tunnel)
    tells nothing.
    """
    name = _default_interface(root / "proc" / "net")
    folder = root / "sys" / "class" / "net" / name
    if not name or not folder.is_dir():
        return ""
    uevent = dict(line.partition("=")[::2] for line in _read(folder / "uevent").splitlines())
    if kind := _KINDS.get(uevent.get("DEVTYPE", "")):
        return kind
    if (folder / "wireless").exists() or (folder / "phy80211").exists():
        return "wifi"
    kind = _read(folder / "type")
    if kind == _RAW_IP or name.startswith("wwan"):
        return "cellular"
    return "ethernet" if kind == _ETHERNET and (folder / "device").exists() else ""


def find_time_zone(said: str = "", root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> str:
    """The zone's IANA name: `said` by people, or TZ, or what /etc/localtime leads to, or /etc/timezone; '' for none.

    The order is tzset(3)'s, so that it is the zone by which the windows of the day are counted here.
    """
    if said or environment.get("TZ"):
        return _known((said or environment["TZ"]).removeprefix(":"))
    with contextlib.suppress(OSError):
        _, is_inside, name = str((root / "etc" / "localtime").readlink()).partition("zoneinfo/")
        if is_inside:
            return _known(name.removeprefix("posix/"))
    return _known(_read(root / "etc" / "timezone"))


def _default_interface(net: Path) -> str:
    """Of the cheapest default route, by IPv4 if there is one (proc(5): /proc/net/route, /proc/net/ipv6_route)."""
    found: list[tuple[int, str]] = []
    for line in _read(net / "route").splitlines()[1:]:
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError):
            if int(fields[1], 16) == 0 and int(fields[7], 16) == 0 and int(fields[3], 16) & _RTF_UP:
                found.append((int(fields[6]), fields[0]))
    for line in () if found else _read(net / "ipv6_route").splitlines():
        fields = line.split()
        with contextlib.suppress(ValueError, IndexError):
            is_usable = int(fields[8], 16) & _RTF_UP and fields[9] != "lo"
            if int(fields[0], 16) == 0 and int(fields[1], 16) == 0 and is_usable:
                found.append((int(fields[5], 16), fields[9]))
    return min(found, default=(0, ""))[1]


def _known(name: str) -> str:
    with contextlib.suppress(InvalidInput):
        if windows.zone(name) is not None:
            return name
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
