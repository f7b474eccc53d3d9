"""Cast and normalise give what scikit-learn gives; windows and spectra what scipy gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from prepared import done
from scipy import fft as scipy_fft
from scipy import signal as scipy_signal
from sklearn.preprocessing import StandardScaler

from edgewright.contract.preprocessing.axes import Reshape, Transpose
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.signal import Fft, Shape, Spectrum, Window
from edgewright.contract.tensors import Dtype

NUMBERS = [dtype for dtype in Dtype if dtype is not Dtype.STRING]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_normalise_by_column_is_the_standard_scaler(dtype: type) -> None:
    rows = (np.random.default_rng(0).normal(50, 20, (40, 5))).astype(dtype)
    scaler = StandardScaler().fit(rows)

    found = done(rows, Normalise(input="x", mean=tuple(scaler.mean_), std=tuple(scaler.scale_)))

    np.testing.assert_allclose(found, scaler.transform(rows), rtol=2e-5, atol=2e-6)
    assert found.dtype == (np.float32 if dtype is np.float32 else np.float64)


def test_normalise_by_channel_takes_bytes_as_they_are() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 5)).astype(np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    found = done(
        picture,
        Cast(input="x", dtype=Dtype.FLOAT32, factor=1 / 255),
        Normalise(input="x", mean=mean, std=std, axis=1),
    )

    shaped = [np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std)]
    wanted = (picture.astype(np.float32) / 255 - shaped[0]) / shaped[1]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@settings(max_examples=300, deadline=None)
@given(before=st.sampled_from(NUMBERS), after=st.sampled_from(NUMBERS), data=st.data())
def test_a_cast_rounds_and_clips_and_never_wraps_round(before: Dtype, after: Dtype, data: st.DataObject) -> None:
    rows = data.draw(arrays.arrays(np.dtype(before.value), (2, 3)))

    found = done(rows, Cast(input="x", dtype=after))

    exact = [float("nan") if value != value else value for value in rows.ravel().tolist()]
    for given_value, value in zip(exact, found.ravel().tolist(), strict=True):
        if np.dtype(after.value).kind in "iu":
            limits = np.iinfo(after.value)
            wanted = 0 if given_value != given_value else clipped(given_value, limits.min, limits.max)
            assert abs(value - wanted) <= abs(wanted) * 2e-16, (given_value, value)
        elif np.dtype(after.value).kind == "b":
            assert value is bool(given_value)


def clipped(value: float, low: int, high: int) -> int:
    if value in (float("inf"), float("-inf")):
        return high if value > 0 else low
    return min(max(round(value), low), high)


def test_a_cast_scales_before_it_rounds() -> None:
    rows = np.array([[0.0, 0.5, 1.0, 1.5, -1.0]], np.float32)

    found = done(rows, Cast(input="x", dtype=Dtype.UINT8, factor=255, offset=0.5))

    assert found.tolist() == [[0, 128, 255, 255, 0]]


@pytest.mark.parametrize(
    ("shape", "name"), [(Shape.HANN, "hann"), (Shape.HAMMING, "hamming"), (Shape.RECTANGULAR, "boxcar")]
)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("frame", [1, 2, 7, 16])
def test_a_window_is_scipys(shape: Shape, name: str, symmetric: bool, frame: int) -> None:
    signal = np.ones((1, frame))

    found = done(signal, Window(input="x", frame=frame, hop=1, window=shape, symmetric=symmetric))

    np.testing.assert_allclose(found[0, 0], scipy_signal.get_window(name, frame, fftbins=not symmetric), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_frames_follow_one_another_by_the_hop(samples: int, frame: int, hop: int) -> None:
    signal = np.arange(1.0, samples + 1)[None, :]

    found = done(signal, Window(input="x", frame=frame, hop=hop, window=Shape.RECTANGULAR), free=(1,))

    filled = np.pad(signal, ((0, 0), (0, max(0, frame - samples))))[0]
    wanted = [filled[begin : begin + frame] for begin in range(0, len(filled) - frame + 1, hop)]
    np.testing.assert_array_equal(found[0], wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [0, 16, 9])
def test_spectra_are_scipys(dtype: type, length: int) -> None:
    signal = np.random.default_rng(2).normal(size=(3, 2, 12)).astype(dtype)
    wanted = np.abs(scipy_fft.rfft(signal.astype(np.float64), n=length or None))

    magnitude = done(signal, Fft(input="x", length=length))
    power = done(signal, Fft(input="x", length=length, spectrum=Spectrum.POWER))
    log = done(signal, Fft(input="x", length=length, spectrum=Spectrum.POWER, log=True, floor=1e-3))

    close = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(magnitude, wanted, **close)
    np.testing.assert_allclose(power, wanted**2, **close)
    np.testing.assert_allclose(log, np.log(np.maximum(wanted**2, 1e-3)), **close)
    assert magnitude.dtype == dtype


def test_a_spectrogram_is_scipys() -> None:
    signal = np.random.default_rng(3).normal(size=(2, 400))

    found = done(signal, Window(input="x", frame=64, hop=32), Fft(input="x", spectrum=Spectrum.POWER))

    window = scipy_signal.get_window("hann", 64)
    wanted = scipy_signal.spectrogram(
        signal, window=window, nperseg=64, noverlap=32, detrend=False, scaling="spectrum", mode="complex"
    )[2]
    np.testing.assert_allclose(found.transpose(0, 2, 1), np.abs(wanted * window.sum()) ** 2, rtol=1e-9)


def test_axes_move_and_join() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)

    found = done(picture, Transpose(input="x", axes=(0, 3, 1, 2)), Reshape(input="x", shape=(4, 6)))

    np.testing.assert_array_equal(found, picture.transpose(0, 3, 1, 2).reshape(1, 4, 6))
