"""Samples go to Label Studio as tasks, and its annotations come back as labels."""

import json

import pytest

from edgewright.client.label_studio import config, drafts_of, task_of
from edgewright.contract.api import LabelDraft, SampleRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.showing import Shown, ShownAs

CLASSES = ("cat", "dog")
SAMPLE = SampleRecord(
    id="dev:s1",
    model="pets",
    version=3,
    device="dev",
    request="r1",
    reference="",
    chosen_as="uncertain",
    uncertainty=0.25,
    at=1.0,
    sha256="0" * 64,
    predicted=1,
)


def annotated(*choices, **facts):
    result = [
        {"from_name": "label", "to_name": "object", "type": "choices", "value": {"choices": [c]}} for c in choices
    ]
    return {"id": 1, "data": {"sample": "dev:s1"}, "annotations": [{"id": 9, "result": result, **facts}]}


def read(*tasks):
    return drafts_of(json.dumps(tasks).encode(), CLASSES)


def test_a_task_shows_the_sample_and_what_the_model_answered():
    task = task_of(SAMPLE, [Shown("x", ShownAs.IMAGE, "image/png", b"PNG")], CLASSES)

    assert task["data"]["image"] == "data:image/png;base64,UE5H"
    assert task["data"]["sample"] == "dev:s1"
    (prediction,) = task["predictions"]
    assert prediction["result"][0]["value"] == {"choices": ["dog"]}
    assert (prediction["model_version"], prediction["score"]) == ("pets@3", 0.75)


def test_an_annotated_task_is_a_label():
    assert read(annotated("dog")) == [LabelDraft(sample="dev:s1", label=1)]


def test_json_min_is_read_too():
    assert read({"sample": "dev:s1", "label": "cat", "annotator": 1}) == [LabelDraft(sample="dev:s1", label=0)]


def test_tasks_that_were_skipped_or_wait_have_no_label():
    assert read(annotated("dog", was_cancelled=True), {"data": {"sample": "a"}, "annotations": []}) == []


def test_a_class_may_be_a_number():
    assert drafts_of(json.dumps([annotated("7")]).encode(), ()) == [LabelDraft(sample="dev:s1", label=7)]


def test_every_task_that_cannot_be_read_is_named():
    with pytest.raises(InvalidInput) as refused:
        read(annotated("bird"), annotated("dog"), {"data": {}})

    assert "task 0: 'bird' is no class" in refused.value.message
    assert "task 2: it names no sample" in refused.value.message


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", b'[{"data": {"sample": "a"}, "annotations": [{"result": 7}]}]']
)
def test_what_is_no_export_is_refused(data):
    with pytest.raises(InvalidInput):
        drafts_of(data, CLASSES)


def test_the_interface_offers_the_classes():
    assert config(ShownAs.IMAGE, ("a&b",)) == (
        '<View><Image name="object" value="$image"/><Choices name="label" toName="object">'
        '<Choice value="a&amp;b"/></Choices></View>\n'
    )
