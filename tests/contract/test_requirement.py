"""What an app requires of a contract, in words or as tensors, and what is said where it is not satisfied."""

from __future__ import annotations

import pytest

from edgewright.contract.errors import InvalidInput
from edgewright.contract.requirement import Requirement, check, shortfalls
from edgewright.contract.tensors import Contract, Dtype, TensorSpec


def a_contract(version: int = 1, dtype: Dtype = Dtype.FLOAT32) -> Contract:
    return Contract(inputs=(TensorSpec(name="image", dtype=dtype, shape=(None, 64)),), outputs=(), version=version)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", {1, 2, 3, 4, 5}),
        (">=2", {2, 3, 4, 5}),
        ("==1", {1}),
        (">=2,<4", {2, 3}),
        (" >= 2 , < 4 ", {2, 3}),
        ("!=3,>1", {2, 4, 5}),
        ("<=2", {1, 2}),
    ],
)
def test_versions_are_taken_as_the_words_say(text: str, taken: set[int]) -> None:
    requirement = Requirement(text)

    assert {version for version in range(1, 6) if requirement.takes(version)} == taken


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2", "'2': it does not begin with a comparison"),
        ("=2", "'=2': '=' compares nothing"),
        ("~=2", "'~=2': '~=' compares nothing"),
        (">=", "the version is missing"),
        (">=2.1", "'2.1' is no version"),
        (">=two", "'two' is no version"),
        (">=0", "'0' is no version"),
        (">=²", "'²' is no version"),
        (">=2,", "empty part"),
        (">=4,<2", "no version can satisfy"),
        ("<1", "no version can satisfy"),
        ("==1,==2", "no version can satisfy"),
        (">=1" * 50, "at most 100 characters"),
    ],
)
def test_what_is_no_requirement_is_said_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(text)

    assert says in refused.value.message
    assert refused.value.field == "contract"
    assert refused.value.hint


def test_a_package_that_satisfies_an_app_falls_short_of_nothing() -> None:
    assert shortfalls(">=2", a_contract(version=3)) == []
    assert shortfalls(a_contract(), a_contract(version=3)) == []


def test_what_falls_short_names_the_field_the_requirement_and_the_offer() -> None:
    assert shortfalls(">=2,<4", a_contract(version=5)) == [
        "contract.version: >=2,<4 is required, the package offers 5",
    ]
    assert shortfalls(a_contract(dtype=Dtype.UINT8), a_contract()) == [
        "contract.inputs.image.dtype: the contract says uint8, the model has float32",
    ]
