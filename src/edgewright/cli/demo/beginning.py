"""Steps 1 to 6: from an empty folder to eight devices that infer."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from edgewright.cli.demo.site import HubFacts
from edgewright.cli.demo.stage import DEVICES, MODELS, STUDY_S, TARGETS, Stage
from edgewright.client import Client, Project
from edgewright.client.keys import OperatorKeys
from edgewright.contract.api import ClaimDraft, GroupDraft, Role, TrainDraft, UserDraft

SLOW = 5
CUTTABLE = 8
ROLES = {"ana": (Role.ENGINEER, Role.OPERATOR, Role.APPROVER), "ben": (Role.APPROVER,)}


def start_hub(stage: Stage) -> None:
    """1. A hub on an empty folder, with an author and an approver."""
    facts = stage.site.start_hub()
    stage.dashboard, stage.keys = facts.hub, OperatorKeys(Path(facts.keys))
    stage.password = secrets.token_urlsafe(12)
    with _client(facts, facts.user, facts.password) as admin:
        for name, roles in ROLES.items():
            admin.users.create(UserDraft(name=name, password=stage.password, roles=roles))
    stage.ana, stage.ben = (_client(facts, name, stage.password) for name in ROLES)
    stage.show.fact(f"hub at {facts.hub}; the release key stays in {facts.keys}")


def train(stage: Stage) -> None:
    """2. Snapshots, pipelines, and one training run for each model."""
    runs = []
    for model in MODELS:
        stage.site.run_example(model, "make_data.py")
        project = Project.read(stage.site.examples / model)
        snapshot = stage.ana.snapshots.create(project.data.dataset, project.data_folder)
        stage.show.fact(f"snapshot {snapshot.id}: {len(snapshot.files)} files, digest {snapshot.digest[:12]}")
        stage.ana.pipelines.put(project)
        runs.append(stage.ana.train(TrainDraft(model=model)))
    for run in stage.finish(runs):
        version = stage.ana.models.version(run.subject, run.result["version"])
        accuracy = version.metrics["accuracy"]
        stage.show.fact(f"{run.subject}@{version.version}: accuracy {accuracy:.3f} on {version.lineage.snapshot}")


def optimise(stage: Stage) -> None:
    """3. Variants of both models for both targets."""
    for model in MODELS:
        stage.optimise(model, 1)
    study = stage.ana.study("wine", 1, TARGETS[-1])
    stage.show.fact(f"wine for {study.target}: {study.reasons[0]}")


def release(stage: Stage) -> None:
    """4. Signed and approved packages; and a trigger that watches over each model."""
    for model in MODELS:
        stage.release(model, 1)
        for trigger in Project.read(stage.site.examples / model).triggers():
            short = {**trigger.params, "optimise": {"budget_s": STUDY_S}}
            stage.ana.triggers.put(msgspec.structs.replace(trigger, params=short))


def enrol(stage: Stage) -> None:
    """5. Eight agents with one-time claims: one has a slow link, one a link that can be cut."""
    stage.ana.groups.create(GroupDraft(name="all", selector="all"))
    for number in range(1, DEVICES + 1):
        labels = {"site": "berlin" if number <= DEVICES // 2 else "porto", "target": TARGETS[number % 2]}
        claim = stage.ana.devices.claim(ClaimDraft(labels=labels)).tokens[0]
        stage.site.add_device(number, stage.ana.url, claim, cuttable=number == CUTTABLE, slow=number == SLOW)
    for device in stage.site.devices:
        stage.site.start_app(device)
    stage.until(lambda: len(stage.ana.devices.list()) == DEVICES, f"{DEVICES} devices are enrolled")
    stage.show.fact(f"{DEVICES} devices enrolled, each with a key of its own")


def roll_out(stage: Stage) -> None:
    """6. Both models in waves of 1, 3 and 8 while apps wait for answers; then one device loses its link."""
    for started in [stage.start_rollout(f"{model}/1") for model in MODELS]:
        rollout = stage.watch(started.id)
        waves = ", ".join(f"{wave.committed} of {wave.size}" for wave in rollout.waves)
        stage.show.fact(f"{rollout.release} is {rollout.state}: waves {waves}")
    stage.until(lambda: all(_infers(device.stats()) for device in stage.site.devices), "every app has answers")
    relay = stage.device(CUTTABLE).relay
    if relay is not None:
        relay.cut()
    stage.show.fact(f"{stage.device(CUTTABLE).name} has lost its link; its app goes on")


def _infers(stats: dict[str, int]) -> bool:
    return stats.get("requests", 0) > 0


def _client(facts: HubFacts, user: str, password: str) -> Client:
    client = Client(facts.hub)
    client.login(user, password)
    return client
