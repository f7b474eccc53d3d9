"""The loop closes without a person: drift, samples, labels, a challenger that wins, a staged rollout, accuracy again.

People set it up: a project with rules and a policy, which one of them approves. From then on machines alone act: an
oracle that labels through the API, and one that signs what the rules have promoted, with a key that the hub never sees.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.agent import Model, ModelNotReady
from edgewright.cli.demo.site import Site
from edgewright.client import Client, Project
from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import (
    AuditEntry,
    ClaimDraft,
    EvaluationRecord,
    GroupDraft,
    LabelDraft,
    Outcome,
    Overrides,
    ReleaseState,
    Role,
    RolloutState,
    RunRecord,
    RunState,
    UserDraft,
)

pytestmark = pytest.mark.e2e

DEVICES = 4
RATE = 30.0
BEFORE_S = 8.0
PATIENCE_S = 400.0
PASSWORD = "a long password"
ROLES = {"ana": (Role.ENGINEER, Role.OPERATOR), "ben": (Role.APPROVER,), "oracle": (Role.OPERATOR,)}
RULES = """
[optimize]
targets = ["cpu-int8"]

[contract.inputs.image]
kind = "image"
height = 8
width = 8

[contract.outputs.probabilities]
kind = "scores"
names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[release]
group = "all"
waves = [1, 4]
shadow_requests = 50
patience_s = 10

[drift]
samples_per_device = 120
min_labels = 400

[evaluation]
groups = ["site"]
min_rows = 20

[promotion]
superior_on = "fresh"
max_loss = 0.05
require = ["bias", "fresh"]

[bias]
groups = ["site"]
limit = 0.25
min_rows = 20
not_enough = "let"

[policy]
approve = "go"

[[trigger]]
name = "digits-drift"
when = { on = "monitoring", kinds = ["data_drift"] }
cooldown_s = 3600
params = { optimise = { budget_s = 8 } }
"""


@dataclass
class Counts:
    """What an app's answers were worth, by the world that it saw and the version that answered."""

    right: dict[tuple[str, int], int] = field(default_factory=dict)
    rows: dict[tuple[str, int], int] = field(default_factory=dict)
    failed: int = 0

    def add(self, world: str, version: int, is_right: bool) -> None:
        key = (world, version)
        self.right[key] = self.right.get(key, 0) + is_right
        self.rows[key] = self.rows.get(key, 0) + 1


class App(threading.Thread):
    """A camera's app on a device: it asks the model that its agent has installed, and never notices an update."""

    def __init__(self, folder: Path, rows: dict[str, np.ndarray], world: Callable[[], str], seed: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.rows, self.world, self.random = folder, rows, world, np.random.default_rng(seed)
        self.counts = Counts()
        self.stopping = threading.Event()

    def run(self) -> None:
        with Model("digits", dir=self.folder) as model:
            while not self.stopping.wait(1 / RATE):
                try:
                    self.ask(model)
                except ModelNotReady:
                    continue
                except Exception:
                    self.counts.failed += 1

    def ask(self, model: Model) -> None:
        row, world = int(self.random.integers(len(self.rows["label"]))), self.world()
        answer = model.predict(image=see(self.rows["image"][row], world, self.random), reference=f"field-{row}")
        self.counts.add(world, model.version, int(answer["label"][0]) == int(self.rows["label"][row]))


def see(pixels: np.ndarray, world: str, random: np.random.Generator) -> np.ndarray:
    """What the camera makes of an image: in the changed world it has slipped, and the light is poor."""
    image = pixels.reshape(8, 8).copy()
    if world == "changed":
        image = np.roll(image, 1, axis=1)
        image[:, 0] = 0
        image = image * 0.6 + random.normal(0.0, 1.5, image.shape)
    return np.clip(image, 0, 16).astype(np.float32).reshape(1, 64)


class Machine(threading.Thread):
    """Does one thing again and again, until the test is over."""

    def __init__(self, act: Callable[[], object], every_s: float) -> None:
        super().__init__(daemon=True)
        self.act, self.every_s, self.stopping = act, every_s, threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(self.every_s):
            self.act()


@dataclass
class Story:
    """What happened, from the hub's records and the apps' own counts."""

    apps: list[App]
    first: RunRecord
    repair: RunRecord
    judged: EvaluationRecord
    audit: list[AuditEntry]  # since the world has changed
    took_s: dict[str, float]
    facts: dict[str, Any]

    def accuracy(self, world: str, version: int) -> tuple[float, int]:
        """Of all apps' answers, and how many there are."""
        right, rows = (
            sum(getattr(app.counts, name).get((world, version), 0) for app in self.apps) for name in ("right", "rows")
        )
        return right / max(1, rows), rows


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Iterator[Story]:
    with ExitStack() as stack:
        yield tell(Site.prepare(tmp_path_factory.mktemp("loop") / "site"), stack)


def tell(site: Site, stack: ExitStack) -> Story:
    """Play it all."""
    stack.callback(site.stop)
    ana, oracle, keys = set_up(site, stack)
    enrol(site, ana)
    world = {"is": "usual"}
    apps = start_apps(site, stack, lambda: world["is"])
    start_machines(site, stack, ana, oracle, keys)

    # 1. The first version goes out by the pipeline too.
    first = ended(
        ana, ana.pipelines.run("digits", Overrides(snapshot="digits@1", params={"optimise": {"budget_s": 8.0}}))
    )
    assert first.state is RunState.DONE, (first.error, first.log[-2000:])
    until(lambda: all(app.counts.rows for app in apps), "every app has answers")
    quiet = threading.Event()
    quiet.wait(BEFORE_S)
    known = ana.audit.entries()[-1].number

    # 2. The world changes. Nobody does anything.
    changed_at = time.monotonic()
    world["is"] = "changed"
    until(lambda: bool(ana.alerts.list("digits")), "drift is detected")
    alert_s = time.monotonic() - changed_at
    until(lambda: len(ana.runs.list(kind="pipeline")) == 2, "the trigger has fired")
    repair = ended(ana, next(run for run in ana.runs.list(kind="pipeline") if run.id != first.id))
    assert repair.state is RunState.DONE, (repair.error, repair.log[-2000:])
    repaired_s = time.monotonic() - changed_at

    # 3. What came of it.
    version = int(repair.result["version"])
    until(lambda: all(app.counts.rows.get(("changed", version), 0) > 150 for app in apps), "the new version answers")
    story = Story(
        apps=apps,
        first=first,
        repair=repair,
        judged=ana.models.evaluations("digits", version)[-1],
        audit=list(ana.audit.entries(known)),
        took_s={"alert": alert_s, "repaired": repaired_s},
        facts={
            "alerts": ana.alerts.list("digits"),
            "rollout": next(one for one in ana.rollouts.list() if one.release == repair.result["release"]),
            "releases": ana.releases.list("digits"),
            "provenance": ana.content.provenance("digits", int(repair.result["release"].partition("/")[2])),
        },
    )
    figures = {key: story.accuracy(*key) for key in (("usual", 1), ("changed", 1), ("changed", version))}
    told = {"took_s": story.took_s, "accuracy": {str(key): value for key, value in figures.items()}}
    sys.stderr.write(f"{json.dumps(told)}\n")
    return story


def set_up(site: Site, stack: ExitStack) -> tuple[Client, Client, OperatorKeys]:
    """What people do, once: accounts, the project with its rules, and the policy, which a second person approves."""
    facts = site.start_hub()
    admin = Client(facts.hub)
    admin.login(facts.user, facts.password)
    for name, roles in ROLES.items():
        admin.users.create(UserDraft(name=name, password=PASSWORD, roles=roles))
    ana, ben, oracle = (Client(facts.hub) for _ in range(3))
    for client, name in ((ana, "ana"), (ben, "ben"), (oracle, "oracle")):
        client.login(name, PASSWORD)
        stack.callback(client.close)
    site.run_example("digits", "make_data.py")
    place = site.examples / "digits" / "edgewright.toml"
    place.write_text(place.read_text().partition("[optimize]")[0] + RULES)
    project = Project.read(place)
    ana.snapshots.create(project.data.dataset, project.data_folder)
    ana.pipelines.put(project)
    for trigger in project.triggers():
        ana.triggers.put(trigger)
    assert project.policy is not None
    ana.policies.put("digits", project.policy)
    ben.approvals.approve("policy:digits", why="its rules are ours")
    return ana, oracle, OperatorKeys(Path(facts.keys))


def enrol(site: Site, ana: Client) -> None:
    ana.groups.create(GroupDraft(name="all", selector="all"))
    for number in range(1, DEVICES + 1):
        labels = {"site": "berlin" if number <= DEVICES // 2 else "porto", "target": "cpu-int8"}
        site.add_device(number, ana.url, ana.devices.claim(ClaimDraft(labels=labels)).tokens[0])
    until(lambda: len(ana.devices.list()) == DEVICES, "every device is enrolled")


def start_apps(site: Site, stack: ExitStack, world: Callable[[], str]) -> list[App]:
    with np.load(site.examples / "digits" / "field" / "field.npz") as arrays:
        rows = dict(arrays)
    apps = [App(device.agent_dir, rows, world, device.number) for device in site.devices]
    for app in apps:
        app.start()
        stack.callback(app.join, 10)
        stack.callback(app.stopping.set)
    return apps


def start_machines(site: Site, stack: ExitStack, ana: Client, oracle: Client, keys: OperatorKeys) -> None:
    """One labels what devices send, by the truth of what they were shown; one signs what the rules have promoted."""
    with np.load(site.examples / "digits" / "field" / "field.npz") as arrays:
        truth = arrays["label"]

    def label() -> None:
        waiting = oracle.samples("digits", unlabelled=True)
        if waiting:
            drafts = [LabelDraft(sample=one.id, label=int(truth[int(one.reference[6:])])) for one in waiting]
            oracle.label(drafts)

    for act in (label, lambda: ana.releases.sign_promoted(keys, "digits")):
        machine = Machine(act, 0.5)
        machine.start()
        stack.callback(machine.join, 10)
        stack.callback(machine.stopping.set)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE_S:.0f} s it still does not hold that {what}"
        pause.wait(0.2)


def ended(client: Client, run: RunRecord) -> RunRecord:
    return client.runs.wait(run.id, timeout_s=PATIENCE_S)


def test_accuracy_falls_with_the_world_and_comes_back_without_a_person(story):
    version = int(story.repair.result["version"])
    (before, _), (during, rows), (after, new_rows) = (
        story.accuracy(*key) for key in (("usual", 1), ("changed", 1), ("changed", version))
    )

    assert before > 0.9
    assert during < before - 0.15
    assert after > during + 0.10
    assert min(rows, new_rows) > 300


def test_every_step_of_the_loop_has_left_its_record(story):
    result, judged = story.repair.result, story.judged
    rollout = story.facts["rollout"]

    assert story.repair.why.startswith("trigger digits-drift")
    assert result["snapshot"] == "digits@2"
    assert (judged.challenger, judged.champion, judged.snapshot) == (2, 1, "digits@2")
    assert judged.verdict.outcome is Outcome.YES
    assert judged.holdout(is_fresh=True).metrics[0].low > 0
    assert {group.name for group in judged.holdout(is_fresh=True).groups} == {"berlin", "porto"}
    assert (rollout.state, [wave.committed for wave in rollout.waves]) == (RolloutState.DONE, [1, 3])
    assert [release.state for release in story.facts["releases"]] == [ReleaseState.READY] * 2
    assert {"training", "optimisation", "packaging", "evaluation"} <= {
        one.kind for one in story.facts["provenance"].statements
    }
    assert story.facts["provenance"].holds


def test_no_person_has_acted_but_by_what_was_agreed_before(story):
    actions = {(entry.actor, entry.action) for entry in story.audit}

    assert {action for actor, action in actions if actor == "ben"} == {"release.approve"}
    assert ("hub", "policy.stand_in") in actions
    assert {action for actor, action in actions if actor == "oracle"} == {"sample.label"}
    by_ana = {action for actor, action in actions if actor == "ana"}
    assert "release.sign" in by_ana  # the machine that signs
    assert not by_ana & {"release.approve", "approval.approve", "policy.set", "rollout.promote"}


def test_apps_never_notice(story):
    assert [app.counts.failed for app in story.apps] == [0] * DEVICES
