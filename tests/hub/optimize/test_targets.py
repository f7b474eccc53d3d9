"""The library of targets, and what is said of one that it lacks."""

from __future__ import annotations

import pytest

from edgewright.contract.api import ModelFormat, SlotKind
from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import UnknownTarget
from edgewright.hub.optimize.targeting.service import as_record
from edgewright.hub.optimize.targets import FOLDER, library, read_folder, resolved, target, targets


def test_every_file_of_the_library_is_read_and_none_is_offered_that_is_a_base_alone():
    files = {path.stem for path in FOLDER.glob("*.toml")}
    bases = {name for name, sketch in library().items() if sketch.is_abstract}

    assert files == set(library()) == set(targets()) | bases
    assert {"cpu-fp32", "cpu-int8", "x86-64-vnni", "raspberry-pi-5", "raspberry-pi-4"} <= set(targets())
    assert len(targets()) >= 30
    assert "litert" in bases


def test_every_base_of_the_library_is_somebody_s():
    inherited = {sketch.base for sketch in library().values()}

    assert {name for name, sketch in library().items() if sketch.is_abstract} <= inherited


def test_microcontrollers_say_what_a_model_may_take_and_it_fits_beside_a_program():
    micros = [one for one in targets().values() if one.is_microcontroller or one.id.startswith("ethos")]

    assert len(micros) >= 12
    for one in micros:
        assert one.format is ModelFormat.TFLITE
        assert one.slots is not None
        assert one.slots.kind is SlotKind.MCUBOOT
        assert 0 < one.constraints.size_bytes < one.slots.size_bytes < one.flash_bytes
        assert 0 < one.constraints.ram_bytes <= one.ram_bytes


def test_a_record_says_what_is_inherited_and_from_where():
    record = as_record(resolved()["nrf52840"])

    assert record.bases == ("cortex-m4", "tflite-micro")
    assert record.told_by["arch"] == "cortex-m4"
    assert record.told_by["runtime.name"] == "tflite-micro"
    assert record.told_by["constraints.max_metric_drop"] == "tflite-micro"
    assert "flash_bytes" not in record.told_by
    assert record.runtime == "tflite-micro >=0"


def test_an_unknown_target_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownTarget) as caught:
        target("cpu-int9")

    assert caught.value.field == "target"
    assert caught.value.exit_code == 2
    assert "cpu-int8" in caught.value.hint


def test_an_unknown_target_like_none_is_refused_with_all_known_ones():
    with pytest.raises(UnknownTarget) as caught:
        target("zzz")

    assert "cpu-fp32" in caught.value.hint
    assert "raspberry-pi-4" in caught.value.hint


def test_a_target_file_must_be_named_after_its_id(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text((FOLDER / "cpu-fp32.toml").read_text())

    with pytest.raises(InvalidInput, match="not the file's name"):
        read_folder(tmp_path)
