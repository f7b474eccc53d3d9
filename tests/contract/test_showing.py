"""Samples are shown as what they are: pictures, sounds, words, numbers."""

import io
import wave

import numpy as np
import pytest
from PIL import Image

from edgewright.contract.dtype import Dtype
from edgewright.contract.showing import ShownAs, show, wav
from edgewright.contract.tensors import Contract, Kind, TensorSpec


def shown(array, **facts):
    spec = TensorSpec(**{"name": "x", "dtype": Dtype.FLOAT32, "shape": (None, *array.shape[1:]), **facts})
    return show(Contract(inputs=(spec,), outputs=()), {"x": array})[0]


@pytest.mark.parametrize(
    ("shape", "mode"), [((1, 5, 7, 3), "RGB"), ((1, 3, 5, 7), "RGB"), ((1, 5, 7, 4), "RGBA"), ((1, 5, 7), "L")]
)
def test_pictures_are_png_in_their_colours(shape, mode):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)

    told = shown(pixels, dtype=Dtype.UINT8, kind=Kind.IMAGE, height=5, width=7)

    picture = Image.open(io.BytesIO(told.body))
    expected = np.moveaxis(pixels[0], 0, -1) if shape == (1, 3, 5, 7) else pixels[0]
    assert (told.kind, picture.mode) == (ShownAs.IMAGE, mode)
    assert (np.asarray(picture) == expected).all()


def test_flat_floats_from_0_to_1_are_grey_pictures():
    told = shown(np.array([[0.0, 0.5, 1.0, 0.25]], np.float32), kind=Kind.IMAGE, height=2, width=2)

    assert np.asarray(Image.open(io.BytesIO(told.body))).tolist() == [[0, 128], [255, 64]]


def test_pixels_that_are_no_numbers_are_black():
    told = shown(np.array([[np.nan, 1.0, np.inf, -np.inf]], np.float32), kind=Kind.IMAGE, height=2, width=2)

    assert Image.open(io.BytesIO(told.body)).size == (2, 2)


def test_a_sound_is_wav():
    told = shown(np.array([[0.0, 0.5, -1.0]], np.float32), kind=Kind.AUDIO)

    with wave.open(io.BytesIO(told.body)) as file:
        frames = np.frombuffer(file.readframes(3), "<i2")
    assert (told.kind, told.media) == (ShownAs.AUDIO, "audio/wav")
    assert frames.tolist() == [0, 16383, -32767]


def test_a_silent_sound_is_a_sound():
    with wave.open(io.BytesIO(wav(np.zeros(4, np.float32)))) as file:
        assert file.getnframes() == 4


def test_numbers_bear_the_names_of_their_columns():
    told = shown(np.array([[43.0, 71.5]], np.float32), names=("age", "pulse"))

    assert (told.kind, told.columns) == (ShownAs.NUMBERS, (("age", "43"), ("pulse", "71.5")))


def test_very_many_numbers_are_cut_off_and_counted():
    told = shown(np.zeros((1, 1000), np.float32))

    assert (len(told.columns), told.left_out) == (256, 744)


def test_words_are_words_and_what_never_left_is_not_shown():
    specs = (
        TensorSpec(name="t", dtype=Dtype.STRING, shape=(None, 1)),
        TensorSpec(name="y", dtype=Dtype.FLOAT32, shape=(1,)),
    )

    (told,) = show(Contract(inputs=specs, outputs=()), {"t": np.array([["hello"]], object)})

    assert (told.kind, told.columns) == (ShownAs.TEXT, (("", "hello"),))
