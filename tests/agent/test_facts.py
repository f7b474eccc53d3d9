"""What a machine says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.agent.system.accelerators import find_accelerators
from edgewright.agent.system.facts import MAX_HARDWARE_IDS, measure, read_hardware_ids
from edgewright.agent.system.place import find_link_kind, find_time_zone


@pytest.mark.parametrize(
    ("compatible", "ids"),
    [
        (b"raspberrypi,5-model-b\0brcm,bcm2712\0", ("raspberrypi,5-model-b", "brcm,bcm2712")),
        (b"one", ("one",)),
        (b"\0\0", ()),
        (b"\xff\0", ()),
        (b"a\0" * 100, ("a",) * MAX_HARDWARE_IDS),
    ],
)
def test_a_devicetree_names_its_machine_the_most_particular_first(tmp_path, compatible, ids):
    (tmp_path / "compatible").write_bytes(compatible)

    assert read_hardware_ids(tmp_path) == ids


def test_a_machine_without_a_devicetree_has_the_ids_that_people_have_set(tmp_path, one_runtime, monkeypatch):
    monkeypatch.setattr("edgewright.agent.system.facts.DEVICE_TREE", tmp_path / "none")

    assert read_hardware_ids(tmp_path / "none") == ()
    assert measure(tmp_path).hardware_ids == ()
    assert measure(tmp_path, ["brcm,bcm2712"]).hardware_ids == ("brcm,bcm2712",)


ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
IPV6_DEFAULT = (
    "0" * 32 + " 00 " + "0" * 32 + " 00 fe800000000000000000000000000001 {metric} 00000001 00000000 {flags} {name}\n"
)


def interface(root: Path, name: str, kind: str = "1", devtype: str = "", folders: tuple[str, ...] = ()) -> None:
    folder = root / "sys" / "class" / "net" / name
    for inner in ("", *folders):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    (folder / "type").write_text(kind + "\n")
    (folder / "uevent").write_text(f"DEVTYPE={devtype}\nINTERFACE={name}\n" if devtype else f"INTERFACE={name}\n")


def routes(root: Path, *ways: tuple[str, str, int], ipv6: str = "") -> None:
    net = root / "proc" / "net"
    net.mkdir(parents=True)
    lines = [f"{name} {to} 010200C0 0003 0 0 {metric} {'0' * 8} 0 0 0\n" for name, to, metric in ways]
    (net / "route").write_text(ROUTES + "".join(lines))
    (net / "ipv6_route").write_text(ipv6)


@pytest.mark.parametrize(
    ("name", "facts", "kind"),
    [
        ("eth0", {"folders": ("device",)}, "ethernet"),
        ("eth0", {}, ""),  # a container's: nobody knows what it ends at
        ("wlan0", {"devtype": "wlan"}, "wifi"),
        ("wlp2s0", {"folders": ("phy80211",)}, "wifi"),
        ("wwan0", {"kind": "519", "devtype": "wwan"}, "cellular"),
        ("rmnet0", {"kind": "519"}, "cellular"),
        ("tun0", {"kind": "65534"}, ""),
        ("br0", {"devtype": "bridge"}, ""),
    ],
)
def test_the_default_route_s_interface_tells_the_kind_of_link(tmp_path, name, facts, kind):
    interface(tmp_path, name, **facts)
    interface(tmp_path, "dummy", devtype="wlan")
    routes(tmp_path, ("dummy", "000200C0", 0), ("dummy", "00000000", 600), (name, "00000000", 100))

    assert find_link_kind(tmp_path) == kind


def test_a_machine_that_has_a_route_by_ipv6_alone_tells_its_kind_too(tmp_path):
    interface(tmp_path, "wlan0", devtype="wlan")
    lines = IPV6_DEFAULT.format(metric="ffffffff", flags="00200200", name="lo")
    routes(tmp_path, ipv6=lines + IPV6_DEFAULT.format(metric="00000258", flags="00450003", name="wlan0"))

    assert find_link_kind(tmp_path) == "wifi"


@pytest.mark.parametrize("text", ["", "a b c", ROUTES + "eth0 x y z\n", ROUTES + "\xff" * 20])
def test_a_machine_that_tells_nothing_has_no_kind_of_link(tmp_path, text):
    (tmp_path / "proc" / "net").mkdir(parents=True)
    (tmp_path / "proc" / "net" / "route").write_text(text, encoding="latin-1")

    assert find_link_kind(tmp_path) == ""


@pytest.mark.parametrize(
    ("said", "environment", "link", "text", "zone"),
    [
        ("Asia/Tokyo", {"TZ": "Europe/Paris"}, "Europe/Berlin", "", "Asia/Tokyo"),
        ("Mars/Base", {}, "Europe/Berlin", "", ""),
        ("", {"TZ": ":Europe/Paris"}, "Europe/Berlin", "", "Europe/Paris"),
        ("", {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}, "Europe/Berlin", "", ""),
        ("", {}, "Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"),
        ("", {}, "", "Asia/Tokyo\n", "Asia/Tokyo"),
        ("", {}, "", "../../etc/passwd", ""),
        ("", {}, "", "", ""),
    ],
)
def test_the_time_zone_is_the_one_by_which_windows_are_counted(tmp_path, said, environment, link, text, zone):
    (tmp_path / "etc").mkdir()
    if link:
        (tmp_path / "etc" / "localtime").symlink_to(f"/usr/share/zoneinfo/{link}")
    (tmp_path / "etc" / "timezone").write_text(text)

    assert find_time_zone(said, tmp_path, environment) == zone


def test_accelerators_are_told_by_runtimes_and_by_drivers(tmp_path):
    for device, driver in (("accel0", "intel_vpu"), ("accel1", "of_a_new_kind")):
        (tmp_path / "class" / "accel" / device / "device").mkdir(parents=True)
        (tmp_path / "class" / "accel" / device / "device" / "driver").symlink_to(f"/sys/bus/pci/drivers/{driver}")
    (tmp_path / "class" / "ethosu" / "ethosu0").mkdir(parents=True)
    providers = {"onnxruntime": ("CUDAExecutionProvider", "CPUExecutionProvider"), "openvino": ("CPU", "GPU.1", "NPU")}

    found = find_accelerators(providers, tmp_path)

    assert found == ("cuda", "ethos-u", "intel-gpu", "intel-npu", "of_a_new_kind")
    assert find_accelerators({}, tmp_path / "none") == ()
