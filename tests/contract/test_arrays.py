"""Arrays cross the wire as safetensors, text among them, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from edgewright.contract.arrays import decode, encode
from edgewright.contract.errors import HostileInput

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=4)


@given(TEXTS)
def test_text_comes_back_as_it_was(texts: list[str]) -> None:
    array = np.array(texts, object)

    found = decode(encode({"text": array, "column": array[:, None], "fixed": array.astype("U")}))

    assert found["text"].tolist() == texts
    assert found["column"].tolist() == [[text] for text in texts]
    assert found["fixed"].tolist() == texts
    assert found["text"].dtype == object


def test_numbers_are_plain_safetensors() -> None:
    numbers = {"b": np.arange(6, dtype=np.int8).reshape(2, 3), "a": np.ones((0, 2), np.float16)}

    assert encode(numbers) == save({name: numbers[name] for name in sorted(numbers)})
    for name, array in decode(encode(numbers)).items():
        np.testing.assert_array_equal(array, numbers[name])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 40,
        save({"utf8:x": np.zeros((2, 3), np.float32)}),
        save({"utf8:x": np.array([[255]], np.uint8)}),
        save({"utf8:x": np.array(1, np.uint8)}),
    ],
)
def test_what_is_none_is_hostile(data: bytes) -> None:
    with pytest.raises(HostileInput) as refused:
        decode(data, "golden arrays")

    assert "not golden arrays as safetensors" in refused.value.message
