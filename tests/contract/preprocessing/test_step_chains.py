"""What is inferred of a chain is what comes out of it; what does not fit is said with its step and field."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import done

from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.preprocessing import MAX_ROW_ELEMENTS, MAX_STEPS, Step, Tensor, follow
from edgewright.contract.preprocessing.axes import Pad, Reshape, Transpose
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.picture import Crop, Layout, Method, Resize
from edgewright.contract.preprocessing.signal import Fft, Shape, Window
from edgewright.contract.preprocessing.text import Tokenise
from edgewright.contract.tensors import Contract, Dtype, TensorSpec, misfits
from hostile.signed import manifest_bytes

PICTURE = Tensor(Dtype.UINT8, (None, 48, 64, 3))
SIDES = st.integers(1, 12)
LAYOUTS, METHODS, X = st.sampled_from(Layout), st.sampled_from(Method), st.just("x")
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Resize, input=X, layout=LAYOUTS, height=SIDES, width=SIDES, method=METHODS),
    st.builds(Resize, input=X, layout=LAYOUTS, shorter=SIDES, method=METHODS),
    st.builds(Crop, input=X, layout=LAYOUTS, height=SIDES, width=SIDES, top=st.none() | st.integers(-9, 9)),
    st.builds(Pad, input=X, before=st.just((0, 1, 2)), after=st.just((0, 0, 3))),
    st.builds(Cast, input=X, dtype=st.sampled_from(Dtype), factor=st.sampled_from([1.0, 1 / 255, -2.0])),
    st.builds(Normalise, input=X, mean=st.just((1.0,)), std=st.just((2.0,)), axis=st.integers(-3, 3)),
    st.builds(Transpose, input=X, axes=st.permutations([1, 2, 3]).map(lambda axes: (0, *axes))),
    st.builds(Transpose, input=X, axes=st.just((0, 2, 1))),
    st.builds(Reshape, input=X, shape=st.sampled_from([(), (24,), (4, 6), (2, 3, 4)])),
    st.builds(Window, input=X, frame=SIDES, hop=SIDES, window=st.sampled_from(Shape)),
    st.builds(Fft, input=X, length=st.integers(0, 12), log=st.booleans()),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(STEPS, max_size=5),
    st.sampled_from([(4, 6), (2, 3, 4), (5,), (9, 2, 3)]),
    st.sampled_from([dtype for dtype in Dtype if dtype is not Dtype.STRING]),
    st.sets(st.integers(1, 3)),
)
def test_whatever_is_inferred_comes_out(
    steps: list[Step], shape: tuple[int, ...], dtype: Dtype, free: set[int]
) -> None:
    array = np.arange(2 * int(np.prod(shape))).reshape(2, *shape).astype(dtype.value)

    with contextlib.suppress(InvalidInput):  # `done` holds what comes out to what was inferred
        done(array, *steps, free=tuple(free))


def a_resize(**sizes: int) -> Resize:
    return Resize(input="x", method=Method.NEAREST, **sizes)


@pytest.mark.parametrize(
    ("steps", "field", "says"),
    [
        ([Cast(input="y", dtype=Dtype.FLOAT32)], "[0].input", "step 1, cast: there is no tensor 'y'"),
        ([Resize(input="x", method=Method.NEAREST)], "[0].height", "say height and width, or shorter alone"),
        ([Resize(input="x", height=4, method=Method.NEAREST)], "[0].height", "say height and width"),
        ([Resize(input="x", height=4, width=4, shorter=4, method=Method.NEAREST)], "[0].height", "or shorter alone"),
        ([Resize(input="x", layout=Layout.HW, shorter=4, method=Method.NEAREST)], "[0].layout", "'hw' has 2 axes"),
        ([Cast(input="x", dtype=Dtype.INT64), a_resize(shorter=4)], "[1].input", "put a cast"),
        ([Crop(input="x", height=4, width=4, fill=300)], "[0].fill", "300 is no uint8"),
        ([Crop(input="x", height=4, width=4, fill=0.5)], "[0].fill", "0.5 is no uint8"),
        ([Normalise(input="x", mean=(0.0, 0.0), std=(1.0,))], "[0].mean", "it has 2 values; axis -1 has 3"),
        ([Normalise(input="x", mean=(0.0,), std=(1.0, 0.0, 1.0))], "[0].std", "its value 1 is 0"),
        ([Normalise(input="x", mean=(0.0,), std=(1.0,), axis=0)], "[0].axis", "axis 0 is the rows"),
        ([Normalise(input="x", mean=(float("nan"),), std=(1.0,))], "[0].mean", "finite"),
        ([Transpose(input="x", axes=(0, 1, 2))], "[0].axes", "each of 0 to 3 once"),
        ([Transpose(input="x", axes=(1, 0, 2, 3))], "[0].axes", "must stay the first"),
        ([Reshape(input="x", shape=(9,))], "[0].shape", "it has 9 elements in a row, the tensor 9216"),
        ([Pad(input="x", before=(1, 0, 0, 0), after=(0,) * 4)], "[0].before", "no rows"),
        ([Pad(input="x", before=(0,), after=(0,) * 4)], "[0].before", "1 values, the tensor 4 axes"),
        ([Window(input="x", frame=4, hop=4)], "[0].input", "it takes float32, float64"),
        ([Cast(input="x", dtype=Dtype.STRING)], "[0].dtype", "do not become text"),
        ([Cast(input="x", dtype=Dtype.FLOAT32, factor=float("inf"))], "[0].factor", "finite"),
        ([Tokenise(input="x", table="v", max_length=4)], "[0].input", "it takes str"),
        ([a_resize(height=65536, width=65536)], "[0].output", "a row of what is made would have"),
        ([Pad(input="x", before=(0, 65536, 65536, 0), after=(0,) * 4)], "[0].output", "the most is"),
    ],
)  # fmt: skip
def test_steps_that_do_not_fit_are_named_with_their_field(steps: list[Step], field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        follow({"x": PICTURE}, tuple(steps))

    assert refused.value.field == f"contract.preprocessing{field}"
    assert says in refused.value.message


@pytest.mark.parametrize("shape", [(), (None, 0)])
def test_a_tensor_without_rows_or_elements_leads_nowhere(shape: tuple[int | None, ...]) -> None:
    for step in (Cast(input="x", dtype=Dtype.INT8), Reshape(input="x", shape=()), Pad(input="x", before=(), after=())):
        with pytest.raises(InvalidInput) as refused:
            follow({"x": Tensor(Dtype.FLOAT32, shape)}, (step,))

        assert refused.value.field == "contract.preprocessing[0].input"


def test_what_was_written_under_another_name_leaves_the_first_as_it_was() -> None:
    steps = (Fft(input="x", output="spectrum"), Normalise(input="x", mean=(1.0,), std=(2.0,)))

    found = done(np.ones((2, 8), np.float32), *steps)

    assert set(found) == {"x", "spectrum"}
    assert (found["x"].shape, found["spectrum"].shape) == ((2, 8), (2, 5))
    assert found["x"].max() == 0.0


def test_what_the_model_takes_is_held_against_what_is_made() -> None:
    raw = TensorSpec(name="image", dtype=Dtype.UINT8, shape=(None, 48, 64, 3))
    steps = (Cast(input="image", dtype=Dtype.FLOAT32), Transpose(input="image", axes=(0, 3, 1, 2)))
    contract = Contract(inputs=(raw,), outputs=(), preprocessing=steps)

    def takes(name: str, *shape: int | None, dtype: Dtype = Dtype.FLOAT32) -> TensorSpec:
        return TensorSpec(name=name, dtype=dtype, shape=(None, *shape))

    assert misfits(contract, (takes("image", 3, 48, 64),)) == []
    assert misfits(contract, (takes("image", 3, None, None),)) == []
    assert misfits(contract, (takes("image", 3, 48, 48),)) == [
        "contract.preprocessing[1].output: step 2, transpose, makes image as float32 [any, 3, 48, 64], the model "
        "has float32 [any, 3, 48, 48]"
    ]
    assert misfits(contract, (takes("image", 3, 48, 64), takes("mask", 3))) == [
        "contract.inputs.mask: the model needs it; no app passes it, and no step makes it"
    ]
    assert misfits(Contract(inputs=(raw,), outputs=()), (takes("pixels", 3),))[0].startswith(
        "contract.inputs.image: the model has no such tensor, and no step takes it"
    )


def hostile(*steps: dict[str, Any]) -> bytes:
    tree = msgspec.json.decode(manifest_bytes())
    spec = TensorSpec(name="x", dtype=Dtype.UINT8, shape=(None, 48, 64, 3))
    tree["contract"] |= {"inputs": [msgspec.to_builtins(spec)], "preprocessing": list(steps)}
    return msgspec.json.encode(tree, order="sorted")


RESIZE: dict[str, Any] = msgspec.to_builtins(a_resize(height=4, width=4))
PAD: dict[str, Any] = msgspec.to_builtins(Pad(input="x", before=(0,) * 4, after=(0, 65536, 65536, 0)))
NORMALISE: dict[str, Any] = msgspec.to_builtins(Normalise(input="x", mean=(0.0,), std=(1.0,)))


def test_a_sound_step_is_read() -> None:
    manifest = manifests.decode(hostile(RESIZE))

    assert manifest.contract.preprocessing == (Resize(input="x", height=4, width=4, method=Method.NEAREST),)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (RESIZE | {"height": 10**9}, "contract.preprocessing[0].height"),
        (RESIZE | {"height": 65536, "width": 65536}, "contract.preprocessing[0].output"),
        (RESIZE | {"height": 65536, "width": MAX_ROW_ELEMENTS // 65536}, "contract.preprocessing[0].output"),
        (RESIZE | {"height": -1}, "contract.preprocessing[0].height"),
        (RESIZE | {"method": "lanczos"}, "contract.preprocessing[0].method"),
        (RESIZE | {"step": "exec"}, "contract.preprocessing[0].step"),
        (RESIZE | {"zeal": 1}, "contract.preprocessing[0]"),
        ({"input": "x"}, "contract.preprocessing[0]"),
        ({"axes": [0] * 33, "input": "x", "output": "", "step": "transpose"}, "contract.preprocessing[0].axes"),
        (PAD, "contract.preprocessing[0].output"),
        (NORMALISE | {"mean": [0.0] * 70_000}, "contract.preprocessing[0].mean"),
    ],
)  # fmt: skip
def test_a_step_beyond_all_bounds_is_hostile_before_anything_is_done(step: dict[str, Any], field: str) -> None:
    with pytest.raises(HostileInput) as refused:
        manifests.decode(hostile(step))

    assert refused.value.field == field


def test_there_are_only_so_many_steps() -> None:
    assert len(manifests.decode(hostile(*[RESIZE] * MAX_STEPS)).contract.preprocessing) == MAX_STEPS
    with pytest.raises(HostileInput):
        manifests.decode(hostile(*[RESIZE] * (MAX_STEPS + 1)))


def test_a_table_must_lie_in_the_package() -> None:
    step = Tokenise(input="text", output="ids", table="vocab.txt", max_length=8)
    contract = Contract(
        inputs=(TensorSpec(name="text", dtype=Dtype.STRING, shape=(None,)),), outputs=(), preprocessing=(step,)
    )
    manifest = msgspec.structs.replace(manifests.decode(manifest_bytes()), contract=contract)
    table = manifests.File(name="vocab.txt", role=manifests.Role.ASSET, sha256="0" * 64, size_bytes=4)

    assert manifests.decode(manifests.encode(msgspec.structs.replace(manifest, files=(*manifest.files, table))))
    with pytest.raises(HostileInput) as refused:
        manifests.decode(manifests.encode(manifest))
    assert refused.value.field == "contract.preprocessing"
    assert "'vocab.txt'" in refused.value.message


def test_steps_may_not_fill_the_memory_together_either() -> None:
    half = 2**12
    steps = [a_resize(height=half, width=half // 2)]  # with three channels: three quarters of all
    more = msgspec.structs.replace(steps[0], output="y", width=half // 8)

    follow({"x": PICTURE}, steps)
    follow({"x": PICTURE}, (*steps, more))
    with pytest.raises(InvalidInput) as refused:
        follow({"x": PICTURE}, (*steps, more, msgspec.structs.replace(more, output="z")))

    assert refused.value.field == "contract.preprocessing[2].output"
