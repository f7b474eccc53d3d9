"""CSV files of labels: every mistake is named by its line, and what was written can be read again."""

import msgspec
import pytest

from edgewright.cli.label_files import read_labels, write_csv
from edgewright.contract.api import LabelDraft, SampleRecord
from edgewright.contract.errors import InvalidInput

CLASSES = ("cat", "dog")


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_labels_are_numbers_or_names_and_empty_ones_are_passed_over(csv):
    file = csv("sample,label,note\na,1,x\nb,dog,\nc,,\n")

    assert read_labels(file, "pets", CLASSES) == [LabelDraft(sample="a", label=1), LabelDraft(sample="b", label=1)]


def test_references_are_those_of_the_model_that_is_named(csv):
    file = csv("reference,label\norder-7,0\n")

    assert read_labels(file, "pets", ()) == [LabelDraft(model="pets", reference="order-7", label=0)]


def test_every_line_that_cannot_be_read_is_named_with_its_field(csv):
    file = csv('sample,reference,label\na,,bird\n,,1\n"b\nc",,-1\n,order-7,1\n')

    with pytest.raises(InvalidInput) as refused:
        read_labels(file, "", CLASSES)

    told = refused.value.message
    assert "line 2, label: 'bird' is not a label" in told
    assert "line 3, sample: neither a sample nor a reference is named" in told
    assert "line 5, label: '-1'" in told
    assert "line 6, reference: --model says of which model" in told


@pytest.mark.parametrize("text", ["", "sample\na\n", "label\n1\n"])
def test_a_file_without_its_columns_is_refused(csv, text):
    with pytest.raises(InvalidInput):
        read_labels(csv(text), "", ())


def test_what_is_exported_can_be_filled_in_and_read_again(tmp_path):
    sample = SampleRecord(
        id="=dev:s1",
        model="m",
        version=1,
        device="dev",
        request="r",
        reference="+ref",
        chosen_as="uncertain",
        uncertainty=0.5,
        at=1.0,
        sha256="0" * 64,
        label=3,
    )
    file = tmp_path / "samples.csv"

    write_csv(file, [sample, msgspec.structs.replace(sample, id="dev:s2", label=None)])

    assert "'=dev:s1" in file.read_text()
    assert read_labels(file, "m", ()) == [LabelDraft(sample="=dev:s1", label=3)]
