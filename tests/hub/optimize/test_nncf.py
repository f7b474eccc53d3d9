"""NNCF: OpenVINO's own quantiser, held to what every step keeps, and faster than others on attention."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.agent.runtimes import start_runtime
from edgewright.contract.errors import InvalidInput
from edgewright.hub.optimize.model import StepPlan
from plugins import zoo
from plugins.step_checks import answers, apply, check_params, check_refusals, check_step, stray

pytestmark = pytest.mark.optimize

PLAIN = StepPlan(name="nncf")
TRANSFORMER = StepPlan(name="nncf", params={"transformer": True})


@pytest.mark.parametrize(("plan", "build"), [(PLAIN, zoo.conv1d), (PLAIN, zoo.mlp), (TRANSFORMER, zoo.transformer)])
def test_it_keeps_what_every_step_keeps(plan, build, tmp_path):
    pytest.importorskip("nncf")
    kept = build()
    rows = {name: array[:32] for name, array in kept.rows.items()}

    check_step(plan, kept.save(tmp_path), kept.save_rows(tmp_path), rows, tmp_path, kept.contract)


def test_it_refuses_rows_that_are_none_or_do_not_fit(tmp_path):
    pytest.importorskip("nncf")

    check_refusals(PLAIN, zoo.mlp(), tmp_path)
    check_params("nncf")


def test_openvino_answers_a_transformer_alike(tmp_path):
    pytest.importorskip("nncf")
    kept = zoo.transformer()
    source = kept.save(tmp_path)
    made = apply(TRANSFORMER, source, kept.save_rows(tmp_path), tmp_path / "made", kept.contract)

    found = start_runtime("openvino").load(Path(made.path), "CPU").run(dict(kept.rows))

    assert stray(answers(source, dict(kept.rows)), found) < 0.05


def test_a_model_that_is_quantised_already_is_refused(tmp_path):
    pytest.importorskip("nncf")
    kept = zoo.mlp()
    once = apply(StepPlan(name="static-int8"), kept.save(tmp_path), kept.save_rows(tmp_path), tmp_path / "once")

    with pytest.raises(InvalidInput):
        apply(PLAIN, Path(once.path), kept.save_rows(tmp_path), tmp_path / "twice", kept.contract)
