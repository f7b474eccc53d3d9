"""edgewright.toml: what it becomes, and what is said of mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.client import Project
from edgewright.contract.errors import InvalidInput
from edgewright.contract.refinement import refine
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec

WHOLE = """
[project]
model = "digits"
[data]
dataset = "digits"
path = "data"
[train]
command = "python train.py"
code = ["train.py", "parts/*.py"]
timeout_s = 300
seed = 7
[train.params]
hidden = [256, 128]
[optimize]
targets = ["cpu-fp32", "cpu-int8"]
[contract.inputs.image]
kind = "image"
height = 8
width = 8
[contract.outputs.probabilities]
kind = "scores"
names = ["0", "1"]
[release]
waves = [1, 3, 8]
[drift]
samples_per_device = 60
min_labels = 200
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        (tmp_path / "edgewright.toml").write_text(text)
        return tmp_path

    return write_file


def test_a_whole_file_becomes_a_pipeline(write):
    project = Project.read(write(WHOLE))

    pipeline = project.pipeline((), "abc")

    assert (pipeline.model, pipeline.params, pipeline.targets) == (
        "digits",
        {"hidden": [256, 128]},
        ("cpu-fp32", "cpu-int8"),
    )
    assert (pipeline.timeout_s, pipeline.seed, pipeline.code_revision) == (300.0, 7, "abc")
    assert pipeline.refinement.inputs["image"].kind is Kind.IMAGE
    assert project.triggers() == ()


def test_its_contract_refines_what_was_inferred(write):
    image = TensorSpec(name="image", dtype=Dtype.FLOAT32, shape=(None, 64))
    scores = TensorSpec(name="probabilities", dtype=Dtype.FLOAT32, shape=(None, 2))
    inferred = Contract(inputs=(image,), outputs=(scores,))

    refined = refine(inferred, Project.read(write(WHOLE)).contract)

    assert (refined.inputs[0].kind, refined.inputs[0].height, refined.inputs[0].shape) == (Kind.IMAGE, 8, (None, 64))
    assert refined.outputs[0].names == ("0", "1")


def test_a_contract_for_a_tensor_that_the_model_lacks_is_refused(write):
    inferred = Contract(inputs=(TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 64)),), outputs=())

    with pytest.raises(InvalidInput) as caught:
        refine(inferred, Project.read(write(WHOLE)).contract)

    assert caught.value.field == "contract.inputs.image"


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("timeout_s", "timeout", "train.timeout", "Did you mean train.timeout_s?"),
        ("[optimize]", "[optimise]", "optimise", "Did you mean optimize?"),
        ("height", "hight", "contract.inputs.image.hight", "Did you mean contract.inputs.image.height?"),
        ("min_labels", "zzz", "drift.zzz", "Known here: samples_per_device, min_labels"),
        ('model = "digits"', "", "project.model", "Mend project.model"),
        ("timeout_s = 300", 'timeout_s = "soon"', "train.timeout_s", "Mend train.timeout_s"),
        ("seed = 7", "seed = ", "edgewright.toml", ""),
        ("[project]", "folder = '/'\n[project]", "folder", "Known here"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(write, old, new, field, said):
    folder = write(WHOLE.replace(old, new))

    with pytest.raises(InvalidInput) as caught:
        Project.read(folder)

    assert caught.value.field == field
    assert said in caught.value.hint
    assert str(folder / "edgewright.toml") in caught.value.message


def test_a_folder_without_the_file_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=str(tmp_path)):
        Project.read(tmp_path)


def test_code_is_found_by_name_and_by_pattern(write):
    folder = write(WHOLE)
    (folder / "train.py").touch()
    (folder / "parts").mkdir()
    (folder / "parts" / "net.py").touch()

    names = [name for name, _ in Project.read(folder).code_files()]

    assert names == ["parts/net.py", "train.py"]


def test_code_that_is_missing_is_named(write):
    with pytest.raises(InvalidInput, match=r"'train\.py'") as caught:
        Project.read(write(WHOLE)).code_files()

    assert caught.value.field == "train.code"


@pytest.mark.parametrize("pattern", ["../secret.py", "/etc/passwd"])
def test_code_stays_inside_the_project(write, pattern):
    project = Project.read(write(WHOLE.replace("train.py", pattern)))

    with pytest.raises(InvalidInput, match="leaves the project"):
        project.code_files()


def test_data_that_is_missing_is_named(write):
    with pytest.raises(InvalidInput) as caught:
        _ = Project.read(write(WHOLE)).data_folder

    assert caught.value.field == "data.path"


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_the_examples_are_projects(name):
    project = Project.read(Path(__file__).parents[2] / "examples" / name)

    assert project.model == name
    assert project.code_files()


def test_tables_of_steps_lie_in_the_project(write):
    steps = '\n[[contract.preprocessing]]\nstep = "tokenise"\ninput = "text"\ntable = "vocab.txt"\nmax_length = 8\n'
    project = Project.read(write(WHOLE + steps))

    with pytest.raises(InvalidInput) as caught:
        project.table_files()
    (project.folder / "vocab.txt").touch()

    assert caught.value.field == "contract.preprocessing"
    assert project.table_files() == [project.folder / "vocab.txt"]
    assert project.contract.preprocessing[0].max_length == 8


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('step = "resise"', "contract.preprocessing[0].step"),
        ('step = "resize"\ninput = "x"\nhight = 3', "contract.preprocessing[0]"),
        ('step = "resize"\ninput = "x"', "contract.preprocessing[0].method"),
        ('step = "pad"\ninput = "x"\nbefore = [-1]\nafter = [0]', "contract.preprocessing[0].before[0]"),
    ],
)
def test_a_mistake_in_a_step_is_named_with_its_place(write, step, said):
    with pytest.raises(InvalidInput) as caught:
        Project.read(write(f"{WHOLE}\n[[contract.preprocessing]]\n{step}\n"))

    assert caught.value.field == said
