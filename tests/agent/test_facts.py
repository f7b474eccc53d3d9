"""What a machine says of itself."""

from __future__ import annotations

import pytest

from edgewright.agent.system.facts import MAX_HARDWARE_IDS, measure, read_hardware_ids


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
