"""What a rollout begins with: whom it reaches with which package, and what is refused before anything is offered."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import GateDraft, GroupDraft, ReleaseState, RolloutDraft
from edgewright.contract.errors import InvalidInput, NotFound
from edgewright.contract.manifest import Dependency
from edgewright.hub.rollout import EmptyGroup, NoDeviceFits, ReleaseNotReady, RolloutOverlaps


def test_a_dry_run_shows_the_plan_and_starts_nothing(world, lanes, operator):
    draft = RolloutDraft(release="digits/1", group="lanes", waves=(1, 3, 8))

    planned = world.rollouts.start(operator, draft, dry_run=True)

    assert world.rollouts.rollouts() == []
    assert world.jobs.runs() == []
    started = world.rollouts.start(operator, draft)
    assert started == planned
    assert started.warnings
    assert world.rollouts.rollout(started.id) == msgspec.structs.replace(started, warnings=())
    assert [record.deployments for record in world.rollouts.rollouts()] == [()]


def test_each_device_gets_the_package_that_fits_it_and_the_rest_are_told_why(world, manifest_of):
    world.group()
    small = manifest_of("digits", 1, "cpu-int8")
    large = manifest_of("digits", 1, "cpu-fp32", files=(msgspec.structs.replace(small.files[0], size_bytes=99),))
    world.shelf.put("digits", 1, **{"cpu-fp32": large, "cpu-int8": small})
    plain, labelled = world.enrol(1)[0], world.enrol(1, target="cpu-fp32")[0]
    board = world.enrol(1, arch="aarch64")[0]

    record = world.start("digits/1")

    target = {deployment.device: deployment.target for deployment in record.deployments}
    assert (target[plain], target[labelled], target[board]) == ("cpu-int8", "cpu-fp32", "")
    (refused,) = (deployment for deployment in record.deployments if deployment.state == "refused")
    assert refused.device == board
    assert "needs x86_64, the device is aarch64" in refused.reason
    assert sum(wave.size for wave in record.waves) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hardware": ("aarch64",)}, "needs aarch64"),
        ({"hardware_ids": ("brcm,bcm2712",)}, "needs brcm,bcm2712, the device is unnamed"),
        ({"dependencies": (Dependency(model="plates", minimum_counter=2),)}, "needs plates from release 2 on"),
        ({"runtime": "openvino"}, "needs the runtime openvino"),
        ({"minimum": "1.24"}, "needs onnxruntime from 1.24"),
        ({"below": "1.23.2"}, "below 1.23.2"),
        ({"memory_bytes": 2**40}, "bytes of memory"),
    ],
)
def test_a_rollout_that_fits_no_device_is_refused_with_the_reason(world, manifest_of, change, reason):
    world.group()
    world.enrol(1)
    made = manifest_of("digits", 1, "cpu")
    runtime = {"name": change.pop("runtime", "onnxruntime")}
    runtime |= {name: change.pop(name) for name in ("minimum", "below") if name in change}
    change["runtime"] = msgspec.structs.replace(made.runtime, **runtime)
    if "memory_bytes" in change:
        change["budgets"] = msgspec.structs.replace(made.budgets, memory_bytes=change.pop("memory_bytes"))
    world.shelf.put("digits", 1, cpu=msgspec.structs.replace(made, **change))

    with pytest.raises(NoDeviceFits, match=reason):
        world.start("digits/1")

    assert world.rollouts.rollouts() == []


def test_devices_that_run_the_release_already_are_in_no_wave(world, veterans):
    newcomer = world.enrol(1)[0]

    record = world.start("digits/1")

    assert [wave.size for wave in record.waves] == [1]
    assert [row.reason for row in record.deployments if row.device != newcomer] == ["runs it already"] * 8


def test_a_rollout_that_everybody_has_is_refused(world, veterans):
    with pytest.raises(NoDeviceFits, match="8 run it already"):
        world.start("digits/1")


def test_a_rollout_to_an_empty_group_is_refused(world):
    world.group()
    world.shelf.put("digits", 1)

    with pytest.raises(EmptyGroup) as caught:
        world.start("digits/1")

    assert caught.value.field == "group"
    assert "edgewright device ls" in caught.value.hint


def test_overlapping_rollouts_of_one_model_are_refused_and_of_two_models_are_not(world, lanes):
    world.shelf.put("digits", 2)
    world.shelf.put("wine", 1)
    id = world.start("digits/1").id

    with pytest.raises(RolloutOverlaps, match=id):
        world.start("digits/2")

    assert world.start("wine/1").model == "wine"


def test_rollouts_of_one_model_to_different_devices_do_not_overlap(world, operator):
    world.shelf.put("digits", 1)
    world.shelf.put("digits", 2)
    world.enrol(1, site="berlin")
    world.enrol(1, site="paris")
    for site in ("berlin", "paris"):
        world.fleet.create_group(operator, GroupDraft(name=site, selector=f"site={site}"))

    for counter, site in enumerate(("berlin", "paris"), 1):
        world.rollouts.start(operator, RolloutDraft(release=f"digits/{counter}", group=site, waves=(1,)))

    assert len(world.rollouts.rollouts()) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"release": "digits"}, "release"),
        ({"waves": (3, 1)}, "waves"),
        ({"gate": GateDraft(min_reported=2.0)}, "gate.min_reported"),
        ({"target": "toaster"}, "target"),
        ({"target_of": {"dev-nobody": "cpu"}}, "target_of"),
    ],
)
def test_bad_drafts_are_refused_by_field_and_start_nothing(world, lanes, operator, change, field):
    draft = RolloutDraft(release="digits/1", group="lanes", waves=(1,))

    with pytest.raises(InvalidInput) as caught:
        world.rollouts.start(operator, msgspec.structs.replace(draft, **change))

    assert caught.value.field == field
    assert world.rollouts.rollouts() == []


def test_a_release_that_is_not_ready_is_not_rolled_out(world, lanes):
    world.shelf.put("digits", 2, ReleaseState.DRAFT)

    with pytest.raises(ReleaseNotReady, match="approval"):
        world.start("digits/2")


def test_unknown_names_are_not_found(world, lanes, operator):
    with pytest.raises(NotFound):
        world.start("digits/9")
    with pytest.raises(NotFound) as caught:
        world.rollouts.start(operator, RolloutDraft(release="digits/1", group="nobody", waves=(1,)))
    assert caught.value.field == "group"
    with pytest.raises(NotFound):
        world.rollouts.rollout("digits-9-r1")
