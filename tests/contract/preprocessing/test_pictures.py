"""Resize, crop and pad give what Pillow, ONNX's reference and numpy give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference.ops.op_resize import (
    _interpolate_nd,
    _linear_coeffs,
    _nearest_coeffs,
)
from PIL import Image
from prepared import done

from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing.axes import Pad
from edgewright.contract.preprocessing.picture import Crop, Layout, Method, Resize

SIZES = [
    ((13, 17), (7, 5)),
    ((7, 5), (13, 17)),
    ((8, 8), (8, 4)),
    ((1, 1), (3, 2)),
    ((30, 2), (2, 30)),
    ((9, 9), (9, 9)),
]


def a_picture(height: int, width: int, dtype: type = np.float32, channels: int = 3) -> np.ndarray:
    random = np.random.default_rng(height * 100 + width)
    return random.integers(0, 256, (2, height, width, channels)).astype(dtype)


def by_pillow(picture: np.ndarray, height: int, width: int, how: Image.Resampling) -> np.ndarray:
    """Each channel of each row in Pillow's float mode, which rounds nothing."""
    moved = np.moveaxis(picture, 3, 1).reshape(-1, *picture.shape[1:3])
    sides = [np.asarray(Image.fromarray(one.astype(np.float32)).resize((width, height), how)) for one in moved]
    return np.moveaxis(np.stack(sides).reshape(len(picture), -1, height, width), 1, 3)


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_bilinear_with_antialias_is_pillows(before: tuple[int, int], after: tuple[int, int]) -> None:
    picture = a_picture(*before)

    found = done(picture, Resize(input="x", height=after[0], width=after[1], method=Method.BILINEAR_ANTIALIAS))

    np.testing.assert_allclose(found, by_pillow(picture, *after, Image.Resampling.BILINEAR), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_nearest_is_pillows(before: tuple[int, int], after: tuple[int, int]) -> None:
    picture = a_picture(*before)

    found = done(picture, Resize(input="x", height=after[0], width=after[1], method=Method.NEAREST))

    np.testing.assert_array_equal(found, by_pillow(picture, *after, Image.Resampling.NEAREST))


@pytest.mark.parametrize(("before", "after"), SIZES)
@pytest.mark.parametrize("method", [Method.NEAREST, Method.BILINEAR])
def test_half_pixel_centres_are_those_of_onnx(before: tuple[int, int], after: tuple[int, int], method: Method) -> None:
    picture = a_picture(*before, channels=1)[:1]

    found = done(picture, Resize(input="x", height=after[0], width=after[1], method=method))

    wanted = _interpolate_nd(
        picture[0, :, :, 0].astype(np.float64),
        (lambda ratio, _: _linear_coeffs(ratio)) if method is Method.BILINEAR else nearest_of_onnx,
        output_size=list(after),
        coordinate_transformation_mode="half_pixel",
    )
    np.testing.assert_allclose(found[0, :, :, 0], wanted, rtol=0, atol=1e-3)


def nearest_of_onnx(ratio: float, scale: float) -> np.ndarray:
    return _nearest_coeffs(ratio, mode="round_prefer_ceil")


@pytest.mark.parametrize("method", Method)
def test_bytes_stay_bytes_and_are_rounded_once(method: Method) -> None:
    picture = a_picture(40, 30, np.uint8)
    step = Resize(input="x", height=16, width=12, method=method)

    found = done(picture, step)

    np.testing.assert_array_equal(found, np.rint(done(picture.astype(np.float32), step)).astype(np.uint8))
    if method is Method.BILINEAR_ANTIALIAS:
        wanted = [np.asarray(Image.fromarray(one).resize((12, 16), Image.Resampling.BILINEAR)) for one in picture]
        assert np.abs(found.astype(int) - np.stack(wanted)).max() <= 1, "Pillow rounds after each side"


def test_layouts_differ_in_nothing_else() -> None:
    picture = a_picture(20, 12)
    step = Resize(input="x", height=7, width=9, method=Method.BILINEAR_ANTIALIAS)

    found = done(picture, step)
    first = done(np.ascontiguousarray(np.moveaxis(picture, 3, 1)), with_layout(step, Layout.CHW))
    grey = done(picture[..., 0], with_layout(step, Layout.HW))

    np.testing.assert_array_equal(np.moveaxis(first, 1, 3), found)
    np.testing.assert_array_equal(grey, found[..., 0])


def with_layout(step: Resize, layout: Layout) -> Resize:
    return Resize(input=step.input, layout=layout, height=step.height, width=step.width, method=step.method)


@pytest.mark.parametrize(("before", "after"), [((40, 30), (21, 16)), ((30, 40), (16, 21)), ((5, 5), (16, 16))])
def test_the_shorter_side_may_be_given_for_pictures_of_any_size(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    found = done(a_picture(*before), Resize(input="x", shorter=16, method=Method.NEAREST), free=(1, 2))

    assert found.shape[1:3] == after


@pytest.mark.parametrize(
    ("size", "wanted", "start"), [(10, 4, 3), (11, 4, 4), (9, 4, 2), (4, 4, 0), (13, 4, 4), (4, 10, -3), (4, 11, -3)]
)
def test_a_crop_without_a_place_is_the_middle_as_torchvision_rounds_it(size: int, wanted: int, start: int) -> None:
    line = np.arange(1, size + 1, dtype=np.uint8).reshape(1, size, 1, 1)

    found = done(line, Crop(input="x", height=wanted, width=1, fill=0))[0, :, 0, 0]

    padded = np.pad(line[0, :, 0, 0], (20, 20))
    np.testing.assert_array_equal(found, padded[20 + start : 20 + start + wanted])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(-12, 12), st.integers(1, 12))
def test_a_crop_is_what_a_slice_of_an_endless_picture_would_be(size: int, width: int, place: int, wanted: int) -> None:
    picture = a_picture(size, width, np.uint8, 2)

    found = done(picture, Crop(input="x", height=wanted, width=3, top=place, left=0, fill=7), free=(1, 2))

    endless = np.pad(picture, ((0, 0), (30, 30), (0, 30), (0, 0)), constant_values=7)
    np.testing.assert_array_equal(found, endless[:, 30 + place : 30 + place + wanted, :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64, np.bool_])
def test_padding_is_numpys(dtype: type) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)

    found = done(array, Pad(input="x", before=(0, 1, 0), after=(0, 2, 5), fill=1))

    np.testing.assert_array_equal(found, np.pad(array, ((0, 0), (1, 2), (0, 5)), constant_values=1))


def test_a_picture_of_any_size_is_held_to_the_bound_when_it_comes() -> None:
    narrow = np.zeros((1, 1, 60_000, 3), np.uint8)

    with pytest.raises(InvalidInput) as refused:
        done(narrow, Resize(input="x", shorter=2000, method=Method.NEAREST), free=(1, 2))

    assert refused.value.field == "contract.preprocessing[0].output"
    assert "step 1, resize" in refused.value.message
