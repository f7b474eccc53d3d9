"""Estimators of scikit-learn as sources: what comes out answers the same for any number of rows."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from edgewright.client.sources import CannotConvert, MissingExtra, as_onnx, prepare
from edgewright.contract.errors import InvalidInput

X, Y = load_iris(return_X_y=True)


class Homemade(ClassifierMixin, BaseEstimator):
    def fit(self, rows, truth):
        self.classes_ = np.unique(truth)
        return self

    def predict(self, rows):
        return np.zeros(len(rows))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(5, random_state=0),
        LinearRegression(),
        LinearSVC(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_estimator_becomes_onnx_that_takes_any_number_of_rows(model, tmp_path):
    model.fit(X, Y)

    session = onnxruntime.InferenceSession(as_onnx(model, X[:1], tmp_path))

    answers = session.run(None, {"X": X.astype(np.float32)})[0]
    assert [axis if isinstance(axis, int) else None for axis in session.get_inputs()[0].shape] == [None, 4]
    assert np.allclose(answers.ravel(), model.predict(X).ravel(), atol=1e-3)


def test_an_input_may_have_a_name_of_its_own(tmp_path):
    source = prepare(LogisticRegression(max_iter=1000).fit(X, Y), tmp_path, example={"cells": X[:1]})

    session = onnxruntime.InferenceSession(source.path)
    assert [value.name for value in session.get_inputs()] == ["cells"]
    assert [value.name for value in session.get_outputs()] == ["label", "probabilities"]
    assert set(source.environment) == {"scikit-learn", "skl2onnx"}


def test_a_part_without_a_converter_is_named_with_its_place(tmp_path):
    model = make_pipeline(StandardScaler(), Homemade()).fit(X, Y)

    with pytest.raises(CannotConvert, match="Homemade, step 'homemade' of the model, has no converter") as caught:
        as_onnx(model, X[:1], tmp_path)
    assert "--export" in caught.value.hint


def test_an_estimator_that_is_not_fitted_is_told_so(tmp_path):
    with pytest.raises(InvalidInput, match="LogisticRegression is not fitted"):
        as_onnx(LogisticRegression(), X[:1], tmp_path)


@pytest.mark.parametrize(("example", "said"), [(None, "is missing"), (X[:0], "no rows"), ((X, X), "takes 1")])
def test_an_example_is_asked_for(tmp_path, example, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        as_onnx(LinearRegression().fit(X, Y), example, tmp_path)
    assert caught.value.field.startswith("example")


def test_a_missing_library_is_named_with_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)

    with pytest.raises(MissingExtra, match="skl2onnx is not installed") as caught:
        as_onnx(LinearRegression().fit(X, Y), X[:1], tmp_path)
    assert caught.value.hint == "pip install 'edgewright[sklearn]'"


def test_what_nobody_can_convert_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no source can be made of a dict"):
        as_onnx({}, X[:1], tmp_path)
