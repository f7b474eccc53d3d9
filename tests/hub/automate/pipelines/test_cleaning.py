"""Cleaning rows: what goes, for which reason, and what stays as it was."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.automate.pipelines.cleaning import clean
from edgewright.hub.automate.pipelines.params import CleanParams

CONTRACT = Contract(
    inputs=(
        TensorSpec(
            name="x", dtype=Dtype.FLOAT32, shape=(None, 2), names=("length", "width"), low=(0.0, None), high=(9.0, 5.0)
        ),
    ),
    outputs=(TensorSpec(name="p", dtype=Dtype.FLOAT32, shape=(None, 2), kind=Kind.SCORES, names=("no", "yes")),),
)


def rows(*values):
    return {
        "x": np.array([value[:2] for value in values], np.float32),
        "label": np.array([value[2] for value in values], np.int64),
    }


def dropped(report):
    return {one.why: (one.rows, one.examples) for one in report.dropped}


def test_every_row_that_goes_has_one_reason_and_a_place():
    data = rows((1, 1, 0), (1, 1, 0), (np.nan, 1, 0), (-1, 1, 1), (1, 6, 1), (2, 2, 7), (3, 3, 0), (3, 3, 1), (4, 4, 1))

    stays, report = clean(data, [rows((4, 4, 0))], CONTRACT, CleanParams())

    assert dropped(report) == {
        "it is there already": (1, (1,)),
        "a value is missing": (1, (2,)),
        "x.length is outside 0 to 9": (1, (3,)),
        "x.width is outside -inf to 5": (1, (4,)),
        "the label is none of the classes": (1, (5,)),
        "equal rows have different labels": (2, (6, 7)),
        "the hold-out has it too": (1, (8,)),
    }
    assert data["x"][stays].tolist() == [[1, 1]]
    assert (report.rows_before, report.rows_after, report.per_class) == (9, 1, {"0": 1})


def test_rules_can_be_switched_off_and_added():
    data = rows((1, 1, 0), (1, 1, 0), (np.nan, 1, 0), (8, 1, 5))
    lenient = CleanParams(drops_duplicates=False, drops_missing=False, classes=(0, 5), ranges={"x.length": (0.0, 5.0)})

    _, report = clean(data, [], CONTRACT, lenient)

    assert dropped(report) == {"x.length is outside 0 to 5": (1, (3,))}


def test_without_a_contract_only_what_every_dataset_keeps_is_asked():
    _, report = clean(rows((1, 1, 0), (-5, 99, 7)), [], None, CleanParams())

    assert report.rows_after == 2


def test_words_and_images_are_rows_like_others():
    data = {"word": np.array(["a", "b", "a"]), "image": np.zeros((3, 2, 2), np.uint8), "label": np.zeros(3, np.int64)}

    stays, report = clean(data, [], None, CleanParams())

    assert data["word"][stays].tolist() == ["a", "b"]
    assert report.rows_after == 2


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_what_was_cleaned_is_clean(values):
    data = rows(*values)
    stays, report = clean(data, [], CONTRACT, CleanParams())

    kept = {name: array[stays] for name, array in data.items()}
    again, _ = clean(kept, [], CONTRACT, CleanParams())

    assert sum(one.rows for one in report.dropped) == len(values) - stays.sum()
    assert again.all()
