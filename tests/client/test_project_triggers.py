"""[[trigger]] tables of edgewright.toml: what they become, and what is said of mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.client import Project
from edgewright.contract.api import AlertKind, OnAlert, OnTime
from edgewright.contract.errors import InvalidInput

HEAD = """
[project]
model = "digits"
[data]
dataset = "digits"
[train]
command = "python train.py"
code = ["train.py"]
"""
TABLES = """
[[trigger]]
name = "digits-drift"
when = { on = "monitoring", kinds = ["data_drift"] }
quiet_hours = ["mon-fri 08:00-18:00"]
params.train.epochs = 3

[[trigger]]
name = "digits-nightly"
when = { on = "time", cron = "0 3 * * *", time_zone = "Europe/Berlin" }
max_runs = 1
"""


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        (tmp_path / "edgewright.toml").write_text(HEAD + text)
        return tmp_path

    return write_file


def test_each_table_becomes_a_trigger_of_the_projects_model(write):
    drift, nightly = Project.read(write(TABLES)).triggers()

    assert (drift.model, drift.when) == ("digits", OnAlert(kinds=(AlertKind.DATA_DRIFT,)))
    assert (drift.quiet_hours, drift.params) == (("mon-fri 08:00-18:00",), {"train": {"epochs": 3}})
    assert nightly.when == OnTime(cron="0 3 * * *", time_zone="Europe/Berlin")
    assert nightly.max_runs == 1


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("max_runs", "max_run", "trigger[1].max_run", "Did you mean max_runs?"),
        ("cron =", "corn =", "trigger[1].when.corn", "Did you mean cron?"),
        ('on = "time"', 'on = "noon"', "trigger[1].when.on", "Mend trigger[1].when.on"),
        ('"data_drift"', '"vibes"', "trigger[0].when.kinds[0]", "Mend trigger[0].when.kinds"),
        ('name = "digits-drift"', "", "trigger[0]", "Mend trigger[0]"),
        ("max_runs = 1", 'max_runs = "one"', "trigger[1].max_runs", "Mend trigger[1].max_runs"),
        ("digits-nightly", "digits-drift", "trigger[1].name", "begin them with the model's"),
    ],
)
def test_a_mistake_is_named_with_its_table_and_key(write, old, new, field, said):
    folder = write(TABLES.replace(old, new))

    with pytest.raises(InvalidInput) as caught:
        Project.read(folder)

    assert caught.value.field == field
    assert said in caught.value.hint
    assert str(folder / "edgewright.toml") in caught.value.message
