"""Steps 7 to 10: a bad release, a power cut, a world that changes, and the repair."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.cli.demo.beginning import CUTTABLE, SLOW
from edgewright.cli.demo.site import Device
from edgewright.cli.demo.stage import DEVICES, WAVES, Stage
from edgewright.contract.api import (
    AlertKind,
    AlertRecord,
    LabelDraft,
    ReleaseRecord,
    RolloutDraft,
    RunRecord,
    RunState,
    SampleRecord,
    TrainDraft,
)
from edgewright.contract.errors import Refused, Told

INSTALLING = ("fetch", "stage", "trial", "shadow", "commit")


def offer_bad_release(stage: Stage) -> None:
    """7. Trained on shuffled labels, signed and approved all the same: the first wave's shadow comparison stops it."""
    params = {"shuffle_labels": True}
    run = stage.finish([stage.ana.train(TrainDraft(model="digits", params=params))])[0]
    version = int(run.result["version"])
    stage.optimise("digits", version)
    stage.bad_release = stage.release("digits", version).id
    rollout = stage.watch(stage.start_rollout(stage.bad_release).id)
    stage.show.fact(f"{rollout.release} is {rollout.state}: {rollout.reason}")
    try:
        stage.ana.rollouts.start(RolloutDraft(release=stage.bad_release, group="all", waves=WAVES))
    except Told as refusal:
        stage.show.fact(f"offered again? No: {refusal.message.partition(' (')[0]}")


def change_world(stage: Stage) -> None:
    """8. Images are shifted, dimmed and noisy from now on; profiles alone tell the hub."""
    stage.site.set_world("changed")
    stage.until(lambda: bool(_drift(stage)), "drift is detected")
    stage.until(lambda: len(_drift(stage)[-1].devices) >= DEVICES // 2, "it is known where")
    stage.alert = _drift(stage)[-1]
    stage.show.fact(stage.alert.message)
    others = stage.ana.alerts.list("wine")
    stage.show.fact(f"wine: {'flagged' if others else 'not flagged'}")


def repair(stage: Stage) -> None:
    """9. The trigger has fired: samples, labels, a challenger that wins, and two people who let it go."""
    with np.load(stage.site.examples / "digits" / "field" / "field.npz") as field:
        truth = field["label"]
    stage.until(lambda: bool(stage.ana.runs.list(kind="pipeline")), "the trigger has fired")
    stage.until(lambda: _label(stage, truth) or _is_signable(stage), "the challenger is built", 180.0)
    for judged in stage.ana.models.evaluations("digits")[-1].holdouts:
        accuracy = judged.metrics[0]
        before = accuracy.champion or 0.0
        stage.show.fact(f"{judged.holdout}: {before:.3f} → {accuracy.challenger:.3f} on {judged.rows} rows")
    stage.sign_and_approve(_release_of(stage))


def deliver(stage: Stage) -> None:
    """10. Out as a delta; one agent is killed in the middle, one device comes back from a long absence."""
    release = _release_of(stage)
    slow, away = stage.device(SLOW), stage.device(CUTTABLE)
    stage.until(lambda: _is_installing(stage, slow, release.id), f"{slow.name} is in the middle of its install")
    stage.site.kill_agent(slow)
    stage.killed_at = _step(slow)
    stage.answered_while_dead = _answers(slow)
    stage.show.fact(f"{slow.name}: agent killed in step '{stage.killed_at}'; its model answers all the same")
    stage.site.start_agent(slow)
    if away.relay is not None:
        away.relay.mend()
    stage.show.fact(f"{away.name} has its link again")
    stage.until(lambda: _is_out(stage, release.id), f"{release.id} is everywhere")
    stage.until(lambda: _all_run(stage, release.counter), "every device runs it")
    rollout = stage.rollout_of(release.id)
    stage.show.fact(f"{rollout.release} is {rollout.state}: {rollout.devices} devices")
    stage.repair = _repair_run(stage)


def _label(stage: Stage, truth: np.ndarray) -> bool:
    """Play the labeller: the truth of each new sample is that of the field's row it shows. Returns False."""
    waiting = stage.ana.samples("digits", unlabelled=True)
    if waiting:
        stage.ana.label([LabelDraft(sample=item.id, label=int(truth[_row(item)])) for item in waiting])
    run = _repair_run(stage)
    if run.state is RunState.FAILED:
        raise Refused(f"the repair failed: {run.error}", field=run.id)
    stage.show.now(f"{run.step}; {len(waiting)} samples labelled just now")
    return False


def _row(sample: SampleRecord) -> int:
    return int(sample.reference.removeprefix("field-"))


def _repair_run(stage: Stage) -> RunRecord:
    runs = stage.ana.runs.list(kind="pipeline")
    if not runs:
        raise Refused("the trigger has not fired", field="trigger")
    return runs[0]


def _is_signable(stage: Stage) -> bool:
    return _release_of_or_none(stage) is not None


def _release_of(stage: Stage) -> ReleaseRecord:
    release = _release_of_or_none(stage)
    if release is None:
        raise Refused("the repair has built no release", field="release")
    return release


def _release_of_or_none(stage: Stage) -> ReleaseRecord | None:
    releases = stage.ana.releases.list("digits")
    newest = max(releases, key=lambda item: item.counter)
    return newest if newest.version > 2 else None


def _is_installing(stage: Stage, device: Device, release: str) -> bool:
    """Raises Refused where the rollout has ended without it: there is nothing more to wait for."""
    if _step(device) in INSTALLING:
        return True
    if _is_out(stage, release):
        rollout = stage.rollout_of(release)
        raise Refused(f"{release} is {rollout.state} before {device.name} was seen to install it: {rollout.reason}")
    return False


def _step(device: Device) -> str:
    """The install step that the agent has saved for `digits`."""
    try:
        record = msgspec.json.decode((device.agent_dir / "models" / "digits" / "state.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return ""
    return str(record.get("record", record).get("step", ""))


def _answers(device: Device) -> bool:
    """Whether a new app on this device gets an answer while its agent is dead."""
    from edgewright.agent import Model

    with Model("digits", dir=device.agent_dir) as model:
        device.asked_besides += 1
        answer = model.predict(image=np.zeros((1, 64), np.float32))
    return len(answer) > 0


def _is_out(stage: Stage, release: str) -> bool:
    rollouts = [item for item in stage.ana.rollouts.list() if item.release == release]
    if not rollouts:
        return False
    waves = " ".join(f"{wave.committed}/{wave.size}" for wave in rollouts[-1].waves)
    stage.show.now(f"{release} {rollouts[-1].state}, waves {waves}")
    return rollouts[-1].state.is_ended


def _all_run(stage: Stage, counter: int) -> bool:
    devices = stage.ana.devices.list()
    return all(any(item.model == "digits" and item.counter == counter for item in device.models) for device in devices)


def _drift(stage: Stage) -> tuple[AlertRecord, ...]:
    """What is said of the data that digits sees, the newest first."""
    return stage.ana.alerts.list("digits", kind=AlertKind.DATA_DRIFT)
