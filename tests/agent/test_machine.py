"""The install machine, on a real folder: every way in which an install can end."""

from __future__ import annotations

import pytest
from device import BAD, GOOD, Device, Releases, Shelf, Verdicts, reports, serving_counter

from edgewright.agent import states
from edgewright.agent.disk import ModelFolder, policy
from edgewright.agent.disk.policy import Sampling
from edgewright.agent.states import ModelRecord, SlotRecord, Step
from edgewright.agent.trial.lines import ShadowDone, ShadowReady, TrialResult
from edgewright.contract.errors import Unreachable
from edgewright.contract.manifest import Dependency
from edgewright.contract.order import Rollback, Shadow
from edgewright.contract.report import Outcome, ShadowResult


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)  # whether syncs come in the right places, test_crash.py says


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def releases(shelf) -> Releases:
    return Releases(shelf)


def test_a_first_install_comes_in_full_and_needs_no_shadow(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf, Verdicts(TrialResult(ok=True))).take(releases.install(1))

    report = reports(tmp_path)[0]
    assert serving_counter(tmp_path) == device.record.floor == 1
    assert (report.outcome, report.used_delta) == (Outcome.COMMITTED, False)
    assert report.received_bytes == report.full_bytes


def test_an_update_comes_as_a_delta_and_moves_only_what_changed(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))

    device.take(releases.install(2))

    report = reports(tmp_path)[1]
    assert serving_counter(tmp_path) == 2
    assert report.used_delta
    assert report.received_bytes == report.full_bytes - 900 - 240  # without the base's 900 bytes, and the golden file
    assert report.shadow is not None


@pytest.mark.parametrize("delta", [b"broken", b"gives another file"])
def test_a_delta_that_does_not_give_the_file_is_made_up_for_by_the_whole_file(tmp_path, shelf, releases, delta):
    device = Device(tmp_path, shelf).take(releases.install(1))

    device.take(releases.install(2, delta=delta))

    report = reports(tmp_path)[1]
    assert serving_counter(tmp_path) == 2
    assert not report.used_delta
    assert report.received_bytes == report.full_bytes - 240 + len(delta)


def test_a_delta_whose_base_is_gone_is_not_even_asked_for(tmp_path, shelf, releases):
    Device(tmp_path, shelf).take(releases.install(2))

    assert serving_counter(tmp_path) == 2
    assert not reports(tmp_path)[0].used_delta


def test_a_download_goes_on_where_the_link_broke(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf)
    device.machine.offer(*releases.install(3))
    shelf.breaks_after = 1400

    with pytest.raises(Unreachable):
        device.settle()
    shelf.breaks_after = None
    device.settle()

    assert shelf.asked[1][1] == 1400
    assert serving_counter(tmp_path) == 3


def test_a_blob_that_is_not_what_it_is_called_fails_the_install_and_touches_no_slot(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))
    offer = releases.install(2)
    for file in offer[1].files:
        if file.name == "reference.bin":
            shelf.blobs[file.sha256] = b"x" * file.size_bytes

    device.take(offer)

    assert serving_counter(tmp_path) == 1
    assert reports(tmp_path)[1].outcome is Outcome.FAILED
    assert not list((tmp_path / "staging" / "digits").iterdir())


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"arch": "aarch64"}, "this device is aarch64"),
        ({"runtimes": {}}, "not installed"),
        ({"runtimes": {"onnxruntime": "1.9.0"}}, "1.9.0 is installed"),
        ({"runtimes": {"onnxruntime": "2.0"}}, "1.17 up to 2"),
        ({"providers": {"onnxruntime": ("XnnpackExecutionProvider",)}}, "it computes with XnnpackExecutionProvider"),
        ({"disk_free_bytes": 1000}, "1000 are free"),
    ],
)
def test_a_package_that_does_not_fit_the_device_is_refused(tmp_path, shelf, releases, facts, why):
    device = Device(tmp_path, shelf, **facts)

    device.take(releases.install(1))

    report = reports(tmp_path)[0]
    assert report.outcome is Outcome.REFUSED
    assert why in report.reason
    assert not shelf.asked


@pytest.mark.parametrize(
    ("ids", "outcome"),
    [
        (("raspberrypi,5-model-b", "brcm,bcm2712"), Outcome.COMMITTED),
        (("raspberrypi,4-model-b", "brcm,bcm2711"), Outcome.REFUSED),
        ((), Outcome.REFUSED),
    ],
)
def test_a_package_for_a_board_goes_to_that_board_alone(tmp_path, shelf, releases, ids, outcome):
    device = Device(tmp_path, shelf, hardware_ids=ids)

    device.take(releases.install(1, of={"hardware_ids": ("brcm,bcm2712",)}))

    assert reports(tmp_path)[-1].outcome is outcome
    assert bool(shelf.asked) is (outcome is Outcome.COMMITTED)


@pytest.mark.parametrize(
    ("serving", "minimum", "why"),
    [(0, 1, "from release 1 on; it is not here"), (2, 3, "from release 3 on; release 2 serves"), (3, 3, "")],
)
def test_a_package_comes_only_where_the_models_that_it_needs_serve(tmp_path, shelf, releases, serving, minimum, why):
    device = Device(tmp_path, shelf)
    if serving:
        other = SlotRecord(version=1, counter=serving, manifest_sha256="a" * 64, target="cpu")
        ModelFolder(tmp_path / "models" / "plates", "plates").save(
            ModelRecord(model="plates", active="a", slots={"a": other, "b": None})
        )

    device.take(releases.install(1, of={"dependencies": (Dependency(model="plates", minimum_counter=minimum),)}))

    report = reports(tmp_path)[-1]
    assert report.outcome is (Outcome.REFUSED if why else Outcome.COMMITTED)
    assert why in report.reason
    assert bool(shelf.asked) is not bool(why)


@pytest.mark.parametrize(
    ("trials", "why"),
    [
        (Verdicts(*BAD), "golden outputs differ"),
        (Verdicts(ending="the worker was killed by SIGSEGV"), "SIGSEGV during its trial"),
        (Verdicts(TrialResult(ok=True), ending="the worker was killed by SIGKILL"), "SIGKILL during its shadow phase"),
        (Verdicts(ShadowReady()), "out of turn"),
        (
            Verdicts(
                TrialResult(ok=True),
                ShadowDone(
                    ok=True, shadow=ShadowResult(requests=10, agreement=0.1, score_shift=0.5, latency_ratio=1.0)
                ),
            ),
            "10.0%",
        ),
    ],
)
def test_a_candidate_that_fails_is_rolled_back_and_remembered(tmp_path, shelf, releases, trials, why):
    Device(tmp_path, shelf).take(releases.install(1))
    device = Device(tmp_path, shelf, trials)

    device.take(releases.install(2))
    device.take(releases.install(2, deployment="again"))

    _, first, second = reports(tmp_path)
    assert serving_counter(tmp_path) == 1
    assert first.outcome is Outcome.ROLLED_BACK
    assert why in first.reason
    assert second.outcome is Outcome.REFUSED
    assert trials.started == 1
    assert not list((tmp_path / "models" / "digits" / "b").iterdir())


def test_the_release_after_one_that_failed_its_trial_gets_a_trial_of_its_own(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf, Verdicts(*BAD)).take(releases.install(1))

    device.trials.script = GOOD
    device.take(releases.install(2))

    assert [report.outcome for report in reports(tmp_path)] == [Outcome.ROLLED_BACK, Outcome.COMMITTED]
    assert device.trials.started == 2
    assert serving_counter(tmp_path) == 2


def test_a_worker_may_say_everything_at_once(tmp_path, shelf, releases):
    Device(tmp_path, shelf).take(releases.install(1))
    device = Device(tmp_path, shelf, Verdicts(*GOOD, is_hasty=True))

    device.take(releases.install(2))

    assert serving_counter(tmp_path) == 2
    assert reports(tmp_path)[1].shadow is not None


def test_a_worker_that_hangs_is_rolled_back_in_time(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf, Verdicts())
    device.machine.offer(*releases.install(1))
    while device.record.step is not Step.TRIAL or not device.trials.started:
        device.machine.step()

    device.now += 301.0
    device.settle()

    assert reports(tmp_path)[0].outcome is Outcome.ROLLED_BACK


def test_a_device_that_is_switched_off_every_evening_rejects_nothing_for_a_shadow_phase_of_days(
    tmp_path, shelf, releases
):
    Device(tmp_path, shelf).take(releases.install(1))
    shadow = Shadow(min_requests=10, min_agreement=0.9, max_wait_s=30 * 86_400.0)
    Device(tmp_path, shelf).machine.offer(*releases.install(2, shadow=shadow))

    for _ in range(2 * states.TRIES):
        device = Device(tmp_path, shelf, Verdicts(TrialResult(ok=True), ShadowReady()))
        for minute in range(8 * 60):
            device.now = 60.0 * minute
            device.machine.step()

    assert device.record.step is Step.SHADOW


def test_apps_are_told_of_the_shadow_socket_while_it_is_bound(tmp_path, shelf, releases):
    Device(tmp_path, shelf).take(releases.install(1))
    device = Device(tmp_path, shelf, Verdicts(TrialResult(ok=True), ShadowReady()))
    device.machine.offer(*releases.install(2))
    path = tmp_path / "models" / "digits" / "policy.json"
    while not policy.decode(path.read_bytes()).shadow_socket:
        device.machine.step()

    device.machine.give_up(Rollback(deployment="d2", model="digits", counter=2, reason="stop"))

    assert policy.decode(path.read_bytes()).shadow_socket == ""


def test_apps_are_told_what_to_collect(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1))

    device.machine.collect(Sampling(request="r1", budget=40))

    told = policy.decode((tmp_path / "models" / "digits" / "policy.json").read_bytes())
    assert told.sampling == Sampling(request="r1", budget=40)


def test_a_rollback_order_brings_the_former_release_back_without_the_hub(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1)).take(releases.install(2))
    shelf.blobs.clear()

    device.machine.give_up(Rollback(deployment="d2", model="digits", counter=2, reason="accuracy fell"))
    device.settle()

    assert serving_counter(tmp_path) == 1
    assert (device.record.floor, reports(tmp_path)[2].outcome) == (2, Outcome.ROLLED_BACK)
    assert reports(tmp_path)[2].deployment == "d2"


def test_a_rollback_order_without_a_working_spare_leaves_the_device_working(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf).take(releases.install(1)).take(releases.install(2))
    (tmp_path / "models" / "digits" / "a" / "model.onnx").write_bytes(b"rotten")

    device.machine.give_up(Rollback(deployment="d2", model="digits", counter=2, reason="accuracy fell"))
    device.settle()

    assert serving_counter(tmp_path) == 2
    assert reports(tmp_path)[2].outcome is Outcome.FAILED


def test_a_requested_stop_in_a_trial_is_no_fault_of_the_candidate(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf, Verdicts())
    device.machine.offer(*releases.install(1))
    while not device.trials.started:
        device.machine.step()

    device.machine.stop()
    again = Device(tmp_path, shelf).settle()

    assert serving_counter(tmp_path) == 1
    assert reports(tmp_path)[0].interruptions == 1
    assert again.record.rejected == {}


def test_three_cuts_in_a_trial_end_it(tmp_path, shelf, releases):
    Device(tmp_path, shelf).take(releases.install(1))
    device = Device(tmp_path, shelf, Verdicts())
    device.machine.offer(*releases.install(2))
    for _ in range(3):
        device = Device(tmp_path, shelf, Verdicts())
        while not device.trials.started:
            device.machine.step()

    Device(tmp_path, shelf, Verdicts()).settle()

    report = reports(tmp_path)[1]
    assert (report.outcome, report.interruptions) == (Outcome.ROLLED_BACK, 4)
    assert "3 starts" in report.reason
    assert serving_counter(tmp_path) == 1


def test_a_paused_download_gives_the_loop_its_turn(tmp_path, shelf, releases):
    device = Device(tmp_path, shelf)
    device.machine.offer(*releases.install(3))
    device.is_pausing = True

    device.machine.step()
    assert device.record.step is Step.FETCH
    device.settle()

    assert [offset for _, offset in shelf.asked[:4]] == [0, 700, 1400, 2100]
    assert serving_counter(tmp_path) == 3
