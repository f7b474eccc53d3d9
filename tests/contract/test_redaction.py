"""What a data policy takes out of a sample before it leaves the device."""

import msgspec
import numpy as np
import pytest

from edgewright.contract.data_policy import (
    Area,
    Blank,
    Blur,
    Cover,
    Crop,
    DataPolicy,
    Downscale,
    Hash,
    Round,
    check,
    hashed_reference,
    subject_key,
)
from edgewright.contract.dtype import Dtype
from edgewright.contract.errors import InvalidInput
from edgewright.contract.redaction import groups_of, redact, subject_of
from edgewright.contract.tensors import Contract, Kind, TensorSpec

PATIENT = TensorSpec(name="patient", dtype=Dtype.STRING, shape=(None, 1))
VITALS = TensorSpec(name="vitals", dtype=Dtype.FLOAT32, shape=(None, 3), names=("age", "pulse", "sex"))
WARD = TensorSpec(name="ward", dtype=Dtype.INT64, shape=(None, 1))
SCAN = TensorSpec(name="scan", dtype=Dtype.UINT8, shape=(None, 1, 4, 6), kind=Kind.IMAGE, height=4, width=6)
CONTRACT = Contract(inputs=(PATIENT, VITALS, WARD, SCAN), outputs=())
ROW = {
    "patient": np.array([["p-17"]], object),
    "vitals": np.array([[43.0, 71.5, 1.0]], np.float32),
    "ward": np.array([[12]], np.int64),
    "scan": np.arange(24, dtype=np.uint8).reshape(1, 1, 4, 6),
}


def redacted(*steps, **policy):
    return redact(DataPolicy(may_leave=True, redaction=steps, **policy), CONTRACT, ROW)


def test_only_the_inputs_that_the_policy_names_leave():
    assert set(redacted(inputs=("vitals", "scan"))) == {"vitals", "scan"}


def test_what_the_app_holds_stays_as_it_is():
    redacted(Blank(input="vitals"), Cover(input="scan", area=Area(top=0, left=0, height=4, width=6)))

    assert ROW["vitals"].tolist() == [[43.0, 71.5, 1.0]]
    assert ROW["scan"].max() == 23


def test_columns_are_blanked_by_name_or_place():
    kept = redacted(Blank(input="vitals", columns=("age", 2), value=-1.0))

    assert kept["vitals"].tolist() == [[-1.0, 71.5, -1.0]]


def test_text_and_whole_numbers_are_hashed_so_that_equal_stays_equal():
    once = redacted(Hash(input="patient", salt="s"), Hash(input="ward", salt="s"))
    again = redacted(Hash(input="patient", salt="s"), Hash(input="ward", salt="t"))

    assert once["patient"].item() == again["patient"].item() != "p-17"
    assert len(once["patient"].item()) == 16
    assert once["ward"].item() != again["ward"].item()
    assert once["ward"].dtype == np.int64


def test_numbers_are_rounded():
    assert redacted(Round(input="vitals", columns=("age",), to=10.0))["vitals"].tolist() == [[40.0, 71.5, 1.0]]


def test_a_crop_keeps_the_area_and_a_cover_all_but_the_area():
    area = Area(top=1, left=2, height=2, width=3)

    kept = redacted(Crop(input="scan", area=area, value=9.0))["scan"][0, 0]
    covered = redacted(Cover(input="scan", area=area))["scan"][0, 0]

    assert kept[1:3, 2:5].tolist() == ROW["scan"][0, 0, 1:3, 2:5].tolist()
    assert (np.delete(kept.reshape(-1), [8, 9, 10, 14, 15, 16]) == 9).all()
    assert (covered[1:3, 2:5] == 0).all()
    assert covered[0].tolist() == ROW["scan"][0, 0, 0].tolist()


def test_an_area_may_reach_beyond_the_picture():
    area = Area(top=3, left=5, height=100, width=100)

    assert redacted(Cover(input="scan", area=area, value=1.0))["scan"][0, 0, 3, 5] == 1


def test_a_blur_is_the_mean_of_the_square_around_each_pixel():
    pixels = ROW["scan"][0, 0].astype(float)
    padded = np.pad(pixels, 1, mode="edge")
    expected = [[padded[row : row + 3, column : column + 3].mean() for column in range(6)] for row in range(4)]

    blurred = redacted(Blur(input="scan", radius=1))["scan"][0, 0]

    assert blurred.tolist() == np.array(expected).astype(np.uint8).tolist()


def test_downscaling_leaves_one_value_in_each_block():
    coarse = redacted(Downscale(input="scan", factor=4))["scan"][0, 0]

    assert (coarse[:, :4] == coarse[0, 0]).all()
    assert (coarse[:, 4:] == coarse[0, 4]).all()
    assert coarse[0, 0] == int(ROW["scan"][0, 0, :, :4].mean())


def test_flat_images_are_pictures_too():
    spec = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 6), kind=Kind.IMAGE, height=2, width=3)
    contract = Contract(inputs=(spec,), outputs=())
    policy = DataPolicy(redaction=(Cover(input="x", area=Area(top=0, left=0, height=1, width=3)),))

    check(policy, contract)
    kept = redact(policy, contract, {"x": np.ones((1, 6), np.float32)})

    assert kept["x"].tolist() == [[0, 0, 0, 1, 1, 1]]


def test_subjects_leave_as_keys():
    by_input, by_reference = DataPolicy(subject="patient"), DataPolicy(subject="reference")

    assert subject_of(by_input, ROW, "x") == subject_key("p-17")
    assert subject_of(by_reference, ROW, "p-17/3") == subject_key("p-17")
    assert subject_of(by_reference, ROW, "") == subject_of(DataPolicy(), ROW, "p-17/3") == ""
    assert "p-17" not in hashed_reference("p-17/3")


def test_groups_are_values_of_columns_and_inputs():
    assert groups_of(DataPolicy(groups=("sex", "ward")), CONTRACT, ROW) == {"sex": "1", "ward": "12"}


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (DataPolicy(inputs=("nope",)), "data.inputs"),
        (DataPolicy(redaction=(Blank(input="nope"),)), "data.redaction[0].input"),
        (DataPolicy(redaction=(Blank(input="vitals", columns=("size",)),)), "data.redaction[0].columns"),
        (DataPolicy(redaction=(Blank(input="vitals", columns=(3,)),)), "data.redaction[0].columns"),
        (DataPolicy(redaction=(Hash(input="vitals"),)), "data.redaction[0].input"),
        (DataPolicy(redaction=(Round(input="patient", to=1.0),)), "data.redaction[0].input"),
        (DataPolicy(redaction=(Blur(input="vitals", radius=1),)), "data.redaction[0].input"),
        (DataPolicy(subject="nope"), "data.subject"),
        (DataPolicy(groups=("nope",)), "data.groups"),
    ],
)
def test_a_policy_that_does_not_fit_the_contract_is_refused_by_its_field(policy, field):
    with pytest.raises(InvalidInput) as refused:
        check(policy, CONTRACT)

    assert refused.value.field == field


def test_steps_are_told_apart_by_their_name():
    policy = DataPolicy(redaction=(Blur(input="scan", radius=2), Hash(input="patient")))

    assert msgspec.json.decode(msgspec.json.encode(policy), type=DataPolicy) == policy
