"""What leaves a device: as its release's data policy says, redacted, within the day's bytes, or not at all."""

from __future__ import annotations

import sys

import msgspec
import numpy as np
import pytest
from on_disk import ModelOnDisk
from test_prepared import records, repeat

from edgewright.agent import Model
from edgewright.agent.disk import Policy, Sampling
from edgewright.agent.serve.learning.daily import Daily, Spent, charge
from edgewright.agent.serve.learning.leaving import NotLeaving, run_redactor
from edgewright.agent.serve.learning.sampling import Choice, ChosenAs, in_turn
from edgewright.contract import arrays
from edgewright.contract import manifest as manifests
from edgewright.contract.data_policy import Blank, DataPolicy, hashed_reference, subject_key
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.report import Fault, Sample

ROW = arrays.encode({"x": np.ones((1, 3), np.float32)})
DAY = 86_400


@pytest.fixture
def ready(device, good):
    """A device that serves the model, and whose release lets samples leave."""
    device.pack("a", good)
    device.activate("a")
    return device


def release(device: ModelOnDisk, policy: DataPolicy | msgspec.UnsetType) -> None:
    """Have the active package say so of its data."""
    path = device.slot("a") / "manifest.json"
    manifest = msgspec.structs.replace(manifests.decode(path.read_bytes()), data=policy)
    path.write_bytes(manifests.encode(manifest))
    device.activate("a")


def sampled(device: ModelOnDisk, good, *, until, redactor=(), budget=8):
    """Ask for samples of one row again and again; a fault alone is written when the model is closed."""
    device.ask(Policy(sampling=Sampling(request="r1", budget=budget, redactor=redactor)))
    with Model("digits", device.root) as model:
        repeat(lambda: model.predict(reference="adam/7", image=good.images[:1]), until(model))
    return records(device, Sample)


def enough(device):
    return lambda model: lambda: bool(records(device, Sample))


def looked_at(model):
    """The policy was read, and rows were offered."""
    return lambda: model._answering._collector._package is not None


def test_without_a_policy_nothing_leaves_and_people_hear_why(ready, good):
    release(ready, msgspec.UNSET)

    samples = sampled(ready, good, until=looked_at)

    assert samples == []
    assert [fault.code for fault in records(ready, Fault)] == ["samples_not_allowed"]


def test_what_leaves_is_redacted_and_names_nobody(ready, good):
    policy = DataPolicy(
        may_leave=True, subject="reference", is_reference_hashed=True, redaction=(Blank(input="image", columns=(0, 1)),)
    )
    release(ready, policy)

    sample = sampled(ready, good, until=enough(ready))[0]

    assert arrays.decode(sample.inputs)["image"][0, :2].tolist() == [0, 0]
    assert (sample.subject, sample.reference) == (subject_key("adam"), hashed_reference("adam/7"))


def test_samples_drawn_by_chance_say_how_many_rows_they_stand_for(ready, good):
    samples = sampled(ready, good, until=lambda model: lambda: len(records(ready, Sample)) == 8)

    weights = [sample.weight for sample in samples if sample.chosen_as == "reservoir"]
    assert weights == [40.0, 40.0]  # 80 rows were seen, ten times the budget
    assert {sample.weight for sample in samples if sample.chosen_as == "uncertain"} == {0.0}


def test_a_days_bytes_bound_what_leaves(ready, good):
    release(ready, DataPolicy(may_leave=True, max_bytes_per_day=1))

    assert sampled(ready, good, until=lambda model: lambda: bool(records(ready, Fault))) == []
    assert records(ready, Fault)[0].code == "samples_over_budget"


def test_a_policy_may_ask_for_a_redactor_that_is_not_there(ready, good):
    release(ready, DataPolicy(may_leave=True, is_redactor_needed=True))

    assert sampled(ready, good, until=looked_at) == []


def test_a_devices_own_redactor_has_the_last_word():
    code = (
        "import sys; from safetensors.numpy import load, save;"
        "sys.stdout.buffer.write(save({k: v * 0 for k, v in load(sys.stdin.buffer.read()).items()}))"
    )

    assert arrays.decode(run_redactor([sys.executable, "-c", code], ROW))["x"].tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    "command",
    [
        ["/nowhere/redactor"],
        ["false"],
        ["true"],
        ["echo", "hello"],
        [sys.executable, "-c", "from safetensors.numpy import save; import numpy as n, sys;"
         "sys.stdout.buffer.write(save({'y': n.ones(1)}))"],
    ],
)  # fmt: skip
def test_a_redactor_that_fails_keeps_the_sample_here(command):
    with pytest.raises(EdgewrightError):
        run_redactor(command, ROW)


def test_a_redactor_that_hangs_keeps_the_sample_here(monkeypatch):
    monkeypatch.setattr("edgewright.agent.serve.learning.leaving.REDACTOR_S", 0.05)

    with pytest.raises(NotLeaving):
        run_redactor(["sleep", "5"], ROW)


@pytest.mark.parametrize(
    ("before", "today", "count", "spent"),
    [
        (None, 3, 2, Spent(day=3, spent_bytes=80)),
        (Spent(day=3, spent_bytes=30), 3, 1, Spent(day=3, spent_bytes=70)),
        (Spent(day=2, spent_bytes=99), 3, 2, Spent(day=3, spent_bytes=80)),
        (Spent(day=4, spent_bytes=70), 3, 0, Spent(day=4, spent_bytes=70)),
        (Spent(day=900, spent_bytes=99), 3, 2, Spent(day=3, spent_bytes=80)),
    ],
)
def test_each_day_has_its_bytes_whatever_the_clock_does(before, today, count, spent):
    assert charge(before, today, [40, 40, 40], 100) == (count, spent)


def test_an_account_outlives_its_process(tmp_path):
    first = Daily(tmp_path, "m").pay(1.0, [40, 40, 40], 100)

    assert (first, Daily(tmp_path, "m").pay(2.0, [40], 100)) == (2, 0)
    assert Daily(tmp_path, "m").pay(2.0 + DAY, [40], 100) == 1


def test_both_kinds_take_turns_so_that_a_cut_hits_both():
    choices = [Choice(n, ChosenAs.UNCERTAIN) for n in range(6)] + [Choice(n, ChosenAs.RESERVOIR) for n in (6, 7)]

    turns = [choice.chosen_as for choice in in_turn(choices)]

    assert turns[:4].count(ChosenAs.RESERVOIR) == 1
    assert len(turns) == 8
