"""The loop stops by itself, with the reason: a worse challenger, a spent budget, a group that would be wronged.

New data start each run by a trigger, and no person does anything. The hub runs in this process, without devices.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edgewright.contract.api import (
    BiasRules,
    Does,
    EvaluationRules,
    FileRef,
    JudgingRules,
    OccasionState,
    OnData,
    Overrides,
    PipelineDraft,
    PromotionRules,
    Role,
    RunRecord,
    RunState,
    SnapshotDraft,
    StepDraft,
    TriggerDraft,
    UserDraft,
)
from edgewright.hub.app import Hub, build_hub
from edgewright.hub.data import npz
from edgewright.hub.govern import Principal
from edgewright.hub.settings import Settings
from scenes.desk import until
from scenes.passwords import cheap_passwords

pytestmark = pytest.mark.e2e

PATIENCE_S = 240.0
ROWS = 400
SITES = np.array(["berlin", "berlin", "berlin", "porto"])
TRAIN = """
import json, os
from pathlib import Path
import numpy as np
from onnx import TensorProto, helper, numpy_helper

train = np.load(Path(os.environ["EW_INPUT_DIR"]) / "train.npz")
x, y = train["x"], train["label"]
weights = (x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0))[:, None] @ np.array([[-1.0, 1.0]])
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["p"], axis=1)],
    "centroids",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, x.shape[1]])],
    [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])],
    [numpy_helper.from_array(weights.astype(np.float32), "w")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
models = Path(os.environ["EW_MODEL_DIR"])
(models / "model.onnx").write_bytes(model.SerializeToString())
(models / "metrics.json").write_text("{}")
"""
STEPS = (
    StepDraft(name="collect", does=Does.COLLECT, params={"samples_per_device": 0, "min_labels": 0}),
    StepDraft(name="train", does=Does.TRAIN, command="python train.py"),
    StepDraft(name="evaluate", does=Does.EVALUATE),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    with cheap_passwords():
        hub = build_hub(Settings(dir=tmp_path_factory.mktemp("hub")), time.time)
    hub.people.create("test", UserDraft(name="ana", password="a long password", roles=(Role.ENGINEER,)))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def ana(hub) -> Principal:
    return hub.people.named("ana")


def world(seed: int, *, by: int, porto_by: int | None = None, spoilt: float = 0.0) -> dict[str, np.ndarray]:
    """Rows whose class is told by column `by`; in Porto perhaps by another one. Some labels may be wrong."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (ROWS, 2)).astype(np.float32)
    site = np.resize(SITES, ROWS)
    told = np.where(site == "porto", x[:, by if porto_by is None else porto_by], x[:, by])
    label = (told > 0).astype(np.int64)
    label = np.where(random.random(ROWS) < spoilt, 1 - label, label)
    return {"x": x, "label": label, "site": site}


def without_site(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in rows.items() if name != "site"}


class Loop:
    """One model in the hub, with a first version, a pipeline, and a trigger on new data."""

    def __init__(self, hub: Hub, ana: Principal, model: str, judging: JudgingRules, max_runs: int = 10) -> None:
        self.hub, self.ana, self.model = hub, ana, model
        code = FileRef(path="train.py", sha256=hub.blobs.put_bytes(TRAIN.encode()), size_bytes=len(TRAIN))
        draft = PipelineDraft(
            model=model, dataset=model, command="python train.py", code=(code,), steps=STEPS, judging=judging
        )
        hub.pipelines.put(ana, draft)
        self.add(train=world(1, by=0), holdout=world(2, by=0))
        first = self.until_ended(hub.pipelines.run(ana, model, Overrides(), why="first").id)
        assert first.state is RunState.DONE, (first.error, first.log)
        when = OnData(dataset=model)
        hub.triggers.put(
            ana, TriggerDraft(name=f"{model}-data", model=model, when=when, cooldown_s=0.0, max_runs=max_runs)
        )

    def add(self, **files: dict[str, np.ndarray]) -> str:
        """Freeze a snapshot; devices' labels stand in the hold-outs alone."""
        refs = []
        for name, rows in files.items():
            data = npz.write(without_site(rows) if name == "train" else rows)
            refs.append(FileRef(path=f"{name}.npz", sha256=self.hub.blobs.put_bytes(data), size_bytes=len(data)))
        return self.hub.data.create(self.ana, SnapshotDraft(dataset=self.model, files=tuple(refs))).id

    def until_ended(self, run: str) -> RunRecord:
        until(lambda: self.hub.jobs.get(run).state.is_ended, f"{run} has ended", PATIENCE_S)
        return self.hub.jobs.get(run)

    def next_run(self, act: Callable[[], object]) -> RunRecord:
        """What the trigger starts when `act` is done, once it has ended."""
        known = {run.id for run in self.runs()}
        act()
        until(lambda: bool({run.id for run in self.runs()} - known), "the trigger has fired", PATIENCE_S)
        return self.until_ended(({run.id for run in self.runs()} - known).pop())

    def runs(self) -> list[RunRecord]:
        return self.hub.jobs.runs(kind="pipeline", subject=self.model)


def test_a_worse_challenger_stops_the_run_and_the_champion_stays(hub, ana):
    loop = Loop(hub, ana, "worse", JudgingRules())

    run = loop.next_run(
        lambda: loop.add(train=world(3, by=0, spoilt=0.9), holdout=world(2, by=0), holdout_new=world(4, by=0))
    )

    assert run.state is RunState.FAILED
    assert run.result["code"] == "challenger_not_better"
    assert "worse@2 does not replace worse@1" in run.error
    assert "it is worse: accuracy 0.0" in run.error
    (judged,) = hub.judging.of("worse", 2)
    assert judged.verdict.reason in run.error
    assert hub.packaging.releases("worse") == []


def test_a_spent_budget_starts_nothing_more_and_says_so(hub, ana):
    loop = Loop(hub, ana, "spent", JudgingRules(), max_runs=1)
    first = loop.next_run(lambda: loop.add(train=world(3, by=0, spoilt=0.9), holdout=world(2, by=0)))

    loop.add(train=world(5, by=0), holdout=world(2, by=0))
    until(lambda: len(hub.triggers.history("spent-data")) == 2, "it was decided upon", PATIENCE_S)

    newest = hub.triggers.history("spent-data")[0]
    assert first.state is RunState.FAILED
    assert newest.state is OccasionState.NOT_FIRED
    assert newest.why.startswith("the budget of 1 runs in 30 d")
    assert len(loop.runs()) == 2


def test_a_challenger_that_wrongs_a_group_is_stopped_by_the_bias_gate(hub, ana):
    rules = JudgingRules(
        evaluation=EvaluationRules(groups=("site",)),
        promotion=PromotionRules(max_loss=1.0, max_group_loss=1.0),  # nothing else stands in its way
        bias=BiasRules(groups=("site",), limit=0.1, min_rows=50),
    )
    loop = Loop(hub, ana, "wronged", rules)

    run = loop.next_run(
        lambda: loop.add(
            train=world(6, by=1, porto_by=0),
            holdout=world(2, by=0),
            holdout_new=world(7, by=1, porto_by=0),
        )
    )

    assert run.state is RunState.FAILED
    (judged,) = hub.judging.of("wronged", 2)
    fresh = judged.holdout(is_fresh=True)
    assert fresh.metrics[0].low > 0  # it is better over all
    assert "error_rate by site on wronged@2/holdout_new.npz" in run.error
    assert "for porto (100 rows)" in run.error
    sealed = json.loads(hub.blobs.path(judged.statement_sha256).read_bytes())
    said = json.loads(base64.b64decode(sealed["payload"]))["predicate"]
    assert said["result"] == "FAILED"
    assert any(line.startswith("bias: ") for line in said["failedTests"])
