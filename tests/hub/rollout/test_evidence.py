"""What a wave's gate is shown: reports, crashes, behaviour of canaries and controls, all bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import GateDraft, GateRule
from edgewright.contract.report import GoldenResult, Outcome, ShadowResult
from edgewright.hub.data import Answer
from edgewright.hub.rollout import table
from edgewright.hub.rollout.gates import Counted, Evidence, EvidenceReader, Labelled, note_fault, reading
from edgewright.hub.rollout.running.ledger import tally

FAILED_GOLDEN = GoldenResult(passed=False, max_error=1.0, argmax_agreement=0.5)


class Played:
    """Behaviour as a test wrote it: what devices answered, by version (0: before) and device."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, str], Counted] = {}
        self.asked = 0
        self.answers: list[Answer] = []

    def served(
        self,
        connection: sa.Connection,
        model: str,
        devices: Sequence[str],
        since: float,
        until: float,
        *,
        version: int = 0,
        not_version: int = 0,
    ) -> Mapping[str, Counted]:
        self.asked += 1
        return {device: self.counts[version, device] for device in devices if (version, device) in self.counts}

    def drift(self, connection: sa.Connection, model: str, version: int) -> float | None:
        return 0.2


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def reader(world, played) -> EvidenceReader:
    return EvidenceReader(world.shelf, played, lambda connection, model, version: played.answers)


@pytest.fixture
def rollout(world, veterans) -> str:
    """Release digits/2 on its way; the first device of wave 1 has committed."""
    id = world.start("digits/2").id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    return id


def read(world, reader: EvidenceReader, rollout: str, wave: int = 1) -> Evidence:
    with world.db.read() as connection:
        head = connection.execute(sa.select(table.rollout).where(table.rollout.c.id == rollout)).mappings().one()
        query = sa.select(table.wave).where(table.wave.c.rollout == rollout, table.wave.c.number == wave)
        row = connection.execute(query).mappings().one()
        counts = tally(connection, rollout, wave).get(wave, Counter())
        return reader.read(connection, dict(head), dict(row), counts, world.clock())


def commit(world, device: str, **measured) -> None:
    installs, _ = world.check_in(device)
    world.run(device, "digits", 2)
    report = msgspec.structs.replace(world.result(installs[0], Outcome.COMMITTED), **measured)
    world.report(report, device)


def give_up(world, device: str, outcome: Outcome = Outcome.ROLLED_BACK, **measured) -> None:
    """End the device's install without a commit."""
    installs, _ = world.check_in(device)
    world.report(msgspec.structs.replace(world.result(installs[0], outcome), **measured), device)


def state_of(world, rollout: str, metric: str) -> str:
    """What that rule of the first wave's gate said last."""
    return {verdict.metric: verdict.state for verdict in world.rollouts.rollout(rollout).waves[0].verdicts}[metric]


def test_a_report_is_read_against_the_budgets_of_its_package(world, reader, rollout):
    (device,) = world.wave(rollout, 1)
    golden = GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0)
    shadow = ShadowResult(requests=50, agreement=0.97, score_shift=0.1, latency_ratio=1.0)

    commit(world, device, golden=golden, shadow=shadow, latency_p95_ms=15.0, memory_bytes=2**19)

    (one,) = read(world, reader, rollout).installed
    assert (one.device, one.golden_passed, one.agreement, one.score_shift) == (device, True, 0.97, 0.1)
    assert (one.latency_share, one.memory_share, one.has_crashed) == (1.5, 0.5, False)


@pytest.mark.parametrize(("expected", "bar"), [(None, None), (0.6, 0.292)])
def test_the_bar_is_told_where_labelled_data_lowered_it(world, reader, veterans, expected, bar):
    world.expected = {} if expected is None else {("digits", 2): expected}
    id = world.start("digits/2").id

    assert read(world, reader, id).shadow_bar == (None if bar is None else pytest.approx(bar, abs=0.001))


def test_figures_that_make_no_sense_are_as_if_they_had_not_been_told(world, reader, rollout):
    (device,) = world.wave(rollout, 1)
    nan = float("nan")
    shadow = ShadowResult(requests=50, agreement=7.0, score_shift=nan, latency_ratio=nan)

    commit(world, device, shadow=shadow, latency_p95_ms=nan, memory_bytes=-5)

    (one,) = read(world, reader, rollout).installed
    assert (one.agreement, one.score_shift, one.latency_share, one.memory_share) == (None,) * 4


def test_a_device_that_had_no_request_to_compare_says_nothing_of_agreement(world, reader, rollout):
    (device,) = world.wave(rollout, 1)
    shadow = ShadowResult(requests=0, agreement=0.0, score_shift=0.0, latency_ratio=1.0)

    commit(world, device, shadow=shadow)

    (one,) = read(world, reader, rollout).installed
    assert (one.agreement, one.score_shift) == (None, None)


@pytest.fixture
def fleet_wave(world, veterans) -> str:
    """Release digits/2 on its way to all eight devices at once, of which many may fail."""
    id = world.start("digits/2", waves=(8,), max_failed=50, min_reported=0.1).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    return id


@pytest.mark.parametrize("outcome", [Outcome.ROLLED_BACK, Outcome.FAILED])
def test_a_device_that_ended_without_a_commit_says_how_its_trial_went_as_well(world, reader, fleet_wave, outcome):
    device = world.wave(fleet_wave, 1)[0]

    give_up(world, device, outcome, golden=FAILED_GOLDEN, latency_p95_ms=15.0, memory_bytes=2**21)

    (one,) = read(world, reader, fleet_wave).installed
    assert (one.golden_passed, one.latency_share, one.memory_share) == (False, 1.5, 2.0)
    assert one.has_crashed is None


def test_what_a_device_said_of_its_trial_outlives_its_going_back_later(world, reader, fleet_wave):
    device = world.wave(fleet_wave, 1)[0]
    installs, _ = world.check_in(device)
    world.run(device, "digits", 2)
    for outcome, measured in ((Outcome.COMMITTED, {"latency_p95_ms": 5.0}), (Outcome.ROLLED_BACK, {})):
        world.clock.now += 1
        world.report(msgspec.structs.replace(world.result(installs[0], outcome), **measured), device)

    (one,) = read(world, reader, fleet_wave).installed

    assert one.latency_share == 0.5


def test_those_that_are_still_at_it_are_counted_until_the_wave_has_done_what_it_can(world, reader, fleet_wave):
    for device in world.wave(fleet_wave, 1)[:3]:
        commit(world, device)
    assert read(world, reader, fleet_wave).awaited == 5

    world.clock.now += 61
    world.tick(fleet_wave, 1)

    assert world.rollouts.rollout(fleet_wave).waves[0].committed_at is not None
    assert read(world, reader, fleet_wave).awaited == 0


@pytest.mark.parametrize(
    ("metric", "measured"),
    [
        ("golden_parity", {"golden": FAILED_GOLDEN}),
        ("latency", {"latency_p95_ms": 15.0}),
        ("memory", {"memory_bytes": 2**21}),
    ],
)
def test_devices_that_roll_back_over_a_budget_or_off_golden_fail_the_rule_though_many_may_fail(
    world, fleet_wave, metric, measured
):
    fine = {"golden": GoldenResult(passed=True, max_error=0.0, argmax_agreement=1.0), "latency_p95_ms": 5.0}
    first, *others = world.wave(fleet_wave, 1)
    give_up(world, first, **(fine | {"memory_bytes": 2**19} | measured))
    for device in others:
        commit(world, device, **fine, memory_bytes=2**19)

    action = world.tick(fleet_wave, 1)

    assert action == "roll_back"
    assert f"{metric}: 1 of 8 devices" in world.rollouts.rollout(fleet_wave).reason
    assert state_of(world, fleet_wave, metric) == "failed"


def test_a_crash_after_the_commit_is_laid_to_its_device_once(world, reader, rollout):
    (device,) = world.wave(rollout, 1)
    commit(world, device)

    with world.db.write() as connection:
        note_fault(connection, device, "crashed", "wine: SIGSEGV", 1.0)
        note_fault(connection, device, "spool_dropped", "digits: no", 1.0)
    assert not read(world, reader, rollout).installed[0].has_crashed
    for _ in range(2):
        with world.db.write() as connection:
            note_fault(connection, device, "crashed", "digits: SIGSEGV", 1.0)

    world.clock.now += 31
    assert read(world, reader, rollout).installed[0].has_crashed


def test_a_device_that_went_back_after_a_crash_still_counts_as_one_that_crashed(world, reader, fleet_wave):
    device = world.wave(fleet_wave, 1)[0]
    install = world.install(device)
    with world.db.write() as connection:
        note_fault(connection, device, "crashed", "digits: SIGSEGV", 1.0)
    world.report(world.result(install, Outcome.ROLLED_BACK), device)

    assert read(world, reader, fleet_wave).installed[0].has_crashed


def test_a_release_that_crashes_is_halted_by_its_first_wave(world, rollout):
    (device,) = world.wave(rollout, 1)
    commit(world, device)
    with world.db.write() as connection:
        world.events.record(connection, "fleet.fault", device, code="crashed", message="digits: SIGSEGV")
    world.events.deliver()

    world.clock.now += 31
    action = world.tick(rollout, 1)

    record = world.rollouts.rollout(rollout)
    assert action == "roll_back"
    assert "crashes: 1 of 1 devices had a crash of it" in record.reason
    assert {verdict.metric: verdict.state for verdict in record.waves[0].verdicts}["crashes"] == "failed"


def test_canaries_run_the_new_version_and_controls_wait_for_it(world, reader, played, rollout):
    (canary,) = world.wave(rollout, 1)
    control = world.wave(rollout, 3)[0]
    commit(world, canary)
    played.counts = {
        (2, canary): Counted(rows=100, failed=4, unsure=3, estimated_right=90.0),
        (0, canary): Counted(rows=1000, failed=20),
        (0, control): Counted(rows=500, failed=10),
    }

    evidence = read(world, reader, rollout)

    assert [(one.device, one.rows, one.rows_before) for one in evidence.canaries] == [(canary, 100, 1000)]
    assert [(one.device, one.rows, one.failed) for one in evidence.controls] == [(control, 500, 10)]
    assert (evidence.drift, evidence.labelled) == (0.2, ())


def test_labelled_answers_count_by_device_and_group_where_they_are_a_fair_draw(world, reader, played, rollout):
    (canary,) = world.wave(rollout, 1)
    commit(world, canary)
    now = world.clock.now
    fine = Answer(
        number=1,
        device=canary,
        at=now + 1,
        labelled_at=now + 2,
        predicted=3,
        label=3,
        chosen_as="reservoir",
        groups={"site": "berlin"},
    )
    played.answers = [
        fine,
        fine._replace(label=4),
        fine._replace(groups={"site": "porto"}),
        fine._replace(chosen_as="uncertain"),
        fine._replace(predicted=None),
        fine._replace(device="stranger"),
        fine._replace(at=now - 9e6),
    ]

    assert read(world, reader, rollout).labelled == (
        Labelled(canary, 1, 2, (("site", "berlin"),)),
        Labelled(canary, 1, 1, (("site", "porto"),)),
    )


def test_behaviour_is_read_every_half_minute_and_reports_as_they_come(world, reader, played, rollout):
    (device,) = world.wave(rollout, 1)
    read(world, reader, rollout)
    asked = played.asked
    commit(world, device)

    evidence = read(world, reader, rollout)
    assert len(evidence.installed) == 1
    assert played.asked == asked

    world.clock.now += 31
    read(world, reader, rollout)
    assert played.asked > asked


def test_what_is_looked_at_is_bounded(world, reader, rollout, monkeypatch):
    monkeypatch.setattr(reading, "MOST_DEVICES", 2)
    (device,) = world.wave(rollout, 1)
    commit(world, device)
    world.tick(rollout, 1)
    world.tick(rollout, 2)
    for one in world.wave(rollout, 2):
        commit(world, one)

    with world.db.read() as connection:
        assert len(reading._devices(connection, rollout, reading.DeploymentState.COMMITTED, is_last=False)) == 2
        assert len(reading._devices(connection, rollout, reading.DeploymentState.PENDING, is_last=True)) == 2


def test_of_a_large_wave_each_outcome_is_read_in_proportion(world, reader, fleet_wave, monkeypatch):
    monkeypatch.setattr(reading, "MOST_DEVICES", 4)
    devices = world.wave(fleet_wave, 1)
    for device in devices[:6]:
        commit(world, device, latency_p95_ms=5.0)
    for device in devices[6:]:
        give_up(world, device, latency_p95_ms=15.0)

    shares = sorted(one.latency_share for one in read(world, reader, fleet_wave).installed)

    assert shares == [0.5, 0.5, 0.5, 1.5]


def test_the_verdicts_of_earlier_waves_are_remembered(world, reader, rollout):
    (device,) = world.wave(rollout, 1)
    commit(world, device)
    world.tick(rollout, 1)

    before = read(world, reader, rollout, wave=2).before

    assert "canary_failures" in [verdict.metric for verdict in before]


def test_a_rule_that_was_asked_for_holds_a_wave_until_its_wait_is_over(world, veterans):
    rules = (GateRule(metric="labelled_accuracy", limit=0.9, wait_s=3600.0),)
    id = world.start("digits/2", rules=rules).id
    world.rollouts.waves.end_deltas(id)
    world.tick(id, 1)
    commit(world, world.wave(id, 1)[0])

    assert world.tick(id, 1) == "hold"
    assert "0 requests are labelled" in world.rollouts.rollout(id).waves[0].reason

    world.clock.now += 3700
    assert world.tick(id, 1) == "advance"


def test_a_gate_with_an_unknown_metric_starts_nothing(world, veterans):
    from edgewright.contract.errors import InvalidInput

    with pytest.raises(InvalidInput, match="no gate knows the metric 'f1'") as caught:
        world.start("digits/2", rules=(GateRule(metric="f1"),))

    assert caught.value.field == "gate.rules"
    assert GateDraft().rules == ()
