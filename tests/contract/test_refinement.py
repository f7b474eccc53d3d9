"""What a person knows of a model completes what its file says: meanings, steps, and what apps pass before them."""

from __future__ import annotations

import pytest

from edgewright.contract.errors import InvalidInput
from edgewright.contract.preprocessing.numbers import Cast, Normalise
from edgewright.contract.preprocessing.text import Tokenise
from edgewright.contract.refinement import Refinement, TensorHint, refine
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec, misfits


def takes(name: str, dtype: Dtype = Dtype.FLOAT32, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=(None, *shape))


def a_contract(*inputs: TensorSpec) -> Contract:
    return Contract(inputs=inputs, outputs=(takes("y", Dtype.FLOAT32, 3),))


TOKENS = Tokenise(input="text", output="ids", mask="mask", table="vocab.txt", max_length=8)


def test_without_steps_the_inputs_stay_those_of_the_file() -> None:
    inferred = a_contract(takes("x", Dtype.FLOAT32, 4))

    found = refine(inferred, Refinement(inputs={"x": TensorHint(kind=Kind.IMAGE, height=2, width=2)}, version=2))

    assert found.inputs[0].shape == (None, 4)
    assert (found.inputs[0].kind, found.version, found.preprocessing) == (Kind.IMAGE, 2, ())


def test_what_no_step_writes_and_what_the_first_steps_read_is_what_apps_pass() -> None:
    inferred = a_contract(takes("ids", Dtype.INT64, 8), takes("mask", Dtype.INT64, 8), takes("age"))
    hint = TensorHint(dtype=Dtype.STRING, shape=(-1,), unit="words")

    found = refine(inferred, Refinement(inputs={"text": hint}, preprocessing=(TOKENS,)))

    assert [(spec.name, spec.dtype, spec.shape) for spec in found.inputs] == [
        ("age", Dtype.FLOAT32, (None,)),
        ("text", Dtype.STRING, (None,)),
    ]
    assert found.inputs[1].unit == "words"
    assert misfits(found, inferred.inputs) == []


def test_a_step_in_place_may_begin_with_another_type_and_shape() -> None:
    inferred = a_contract(takes("x", Dtype.FLOAT32, 4))
    cast = Cast(input="x", dtype=Dtype.FLOAT32)

    plain = refine(inferred, Refinement(preprocessing=(Normalise(input="x", mean=(1.0,), std=(2.0,)),)))
    hinted = refine(inferred, Refinement(inputs={"x": TensorHint(dtype=Dtype.UINT8)}, preprocessing=(cast,)))

    assert (plain.inputs[0].dtype, hinted.inputs[0].dtype) == (Dtype.FLOAT32, Dtype.UINT8)
    assert hinted.inputs[0].shape == (None, 4)
    assert misfits(plain, inferred.inputs) == misfits(hinted, inferred.inputs) == []


@pytest.mark.parametrize(
    ("refinement", "field", "says"),
    [
        (Refinement(preprocessing=(TOKENS,)), "contract.inputs.text", "what apps pass under that name is not known"),
        (
            Refinement(inputs={"text": TensorHint(dtype=Dtype.STRING)}, preprocessing=(TOKENS,)),
            "contract.inputs.text",
            "is not known",
        ),
        (
            Refinement(inputs={"text": TensorHint(dtype=Dtype.STRING, shape=(-1,)), "ids": TensorHint(unit="1")},
                       preprocessing=(TOKENS,)),
            "contract.inputs.ids",
            "apps pass no tensor 'ids'; there is text",
        ),
        (Refinement(inputs={"z": TensorHint()}), "contract.inputs.z", "the model has no tensor 'z'"),
        (Refinement(inputs={"ids": TensorHint(dtype=Dtype.UINT8)}), "contract.inputs.ids.dtype", "without steps"),
        (Refinement(inputs={"ids": TensorHint(shape=(-1, 9))}), "contract.inputs.ids.shape", "without steps"),
    ],
)  # fmt: skip
def test_a_hint_that_does_not_fit_is_named(refinement: Refinement, field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        refine(a_contract(takes("ids", Dtype.INT64, 8), takes("mask", Dtype.INT64, 8)), refinement)

    assert refused.value.field == field
    assert says in refused.value.message
