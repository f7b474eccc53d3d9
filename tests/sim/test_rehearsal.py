"""Rehearsals: what is copied and scaled, how devices behave, and plays on a small fleet."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.contract.api import (
    Badness,
    Budget,
    GateDraft,
    GateRule,
    GateState,
    GateVerdict,
    GroupDraft,
    RehearsalDraft,
    RehearsalRecord,
    RehearsedRun,
    RolloutDraft,
    RolloutRecord,
    RolloutState,
    RuleAnswer,
    RunState,
    WaveDraft,
    WaveRecord,
)
from edgewright.contract.errors import InvalidInput
from edgewright.contract.gating import GATE_METRICS
from edgewright.contract.manifest import Budgets
from edgewright.hub.fleet import table
from edgewright.hub.observe.behaviour import span_of
from edgewright.hub.observe.table import behaviour
from edgewright.hub.rehearsals.facts import blind_rules
from edgewright.hub.rehearsals.question import DeviceFact, Facts, Question
from edgewright.hub.rehearsals.scaling import choose, scale_waves
from edgewright.hub.rehearsals.service import RehearsalNotDone
from edgewright.hub.rollout.table import deployment as deployments
from edgewright.sim.rehearsal import requests
from edgewright.sim.rehearsal.behaviour import Behaviour
from edgewright.sim.rehearsal.device import Device, Shared
from edgewright.sim.rehearsal.effects import effect_of
from edgewright.sim.rehearsal.play import Stage, play
from edgewright.sim.rehearsal.requests import watched
from edgewright.sim.rehearsal.rules import FOUND, rules_of
from edgewright.sim.rehearsal.talk import Line
from edgewright.sim.world.agenda import Agenda
from edgewright.sim.world.hub import BEGINS_AT, SimHub, lay_out, scratch
from edgewright.sim.world.releases import OPERATOR, Made

MADE = (Made("digits", 1, 20_000), Made("digits", 2, 21_000))


def test_a_fleet_that_is_small_enough_is_played_whole():
    assert choose({"b": "x", "a": "y"}, 2, seed=1) == ["a", "b"]


def test_a_large_fleet_is_scaled_down_by_whole_sites():
    site_of = {f"d{number:03}": f"s{number // 5}" for number in range(100)}

    chosen = choose(site_of, 22, seed=3)

    sites = [site_of[device] for device in chosen]
    assert 15 < len(chosen) <= 22
    assert all(sites.count(site) == 5 for site in sites)
    assert chosen == choose(site_of, 22, seed=3) != choose(site_of, 22, seed=4)


def test_devices_without_a_site_are_chosen_one_by_one():
    assert len(choose(dict.fromkeys(map(str, range(50)), ""), 7, seed=1)) == 7


def test_counts_of_waves_shrink_with_the_fleet_and_still_rise():
    draft = RolloutDraft(release="digits/2", group="g", waves=(1, 10, WaveDraft(percent=50), WaveDraft(count=1000)))

    scaled = scale_waves(draft, 0.05)

    assert [(wave.count, wave.percent) for wave in scaled.waves] == [(1, 0.0), (2, 0.0), (0, 50.0), (50, 0.0)]
    assert scale_waves(draft, 1.0) is draft


BUDGETS = Budgets(latency_p95_ms=80.0, memory_bytes=2**27)


def a_device(**known) -> DeviceFact:
    facts = {"site": "s0", "time_zone": "", "download_bytes_s": 1e6, "request_s": 0.1, "apply_bytes_s": 1e8}
    return DeviceFact(**{"id": "dev-0", "told_s": 30.0} | facts | known)


def facts_of(*devices: DeviceFact, **known) -> Facts:
    facts = {
        "began_at": BEGINS_AT,
        "poll_s": 30.0,
        "failure_rate": 0.0,
        "requests_h": 360.0,
        "failed_share": 0.01,
        "score": None,
        "unsure_share": 0.0,
        "budgets": {"cpu-fp32": BUDGETS},
    }
    target_of = {device.id: "cpu-fp32" for device in devices}
    draft = RolloutDraft(release="digits/2", group="rehearsed", waves=(1,), target_of=target_of)
    return Facts(draft=draft, devices=devices, **facts | known)


def answers(run: RehearsedRun) -> dict[str, RuleAnswer]:
    return {one.rule: one.answer for one in run.rules}


def a_record(*verdicts: GateVerdict) -> RolloutRecord:
    wave = WaveRecord(
        number=1, size=3, state="passed", committed=3, failed=0, waiting=0, started_at=BEGINS_AT, verdicts=verdicts
    )
    return RolloutRecord(
        id="r",
        release="digits/2",
        model="digits",
        version=2,
        counter=2,
        group="g",
        state=RolloutState.DONE,
        reason="every wave has passed",
        gate=GateDraft(),
        waves=(wave,),
        deployments=(),
        created_at=BEGINS_AT,
        created_by="otto",
    )


class Fleet:
    """A hub with a fleet of eight devices at two sites, all of which run digits/1."""

    def __init__(self, folder) -> None:
        self.folder = folder
        lay_out(folder / "hub", MADE)
        self.agenda = Agenda(BEGINS_AT)
        self.sim = SimHub(folder / "hub", self.agenda, seed=1)
        self.hub = self.sim.hub
        manifest = self.hub.packaging.release("digits", 1).packages[0].manifest_sha256
        with self.hub.db.write() as connection:
            for number in range(8):
                self._enrol(connection, number, manifest)
        self.hub.fleet.create_group(OPERATOR, GroupDraft(name="shops", selector="all"))

    def draft(self, waves=(1, 8), rules=(), **facts) -> RehearsalDraft:
        budgets, gate = (Budget(per="site", max_unavailable=2),), GateDraft(rules=rules)
        rollout = RolloutDraft(release="digits/2", group="shops", waves=waves, budgets=budgets, gate=gate)
        return RehearsalDraft(rollout=rollout, **facts)

    def played(self, badness: Badness | None, waves=(1, 8), rules=()) -> RehearsedRun:
        """One play, in this process."""
        place = self.folder / f"play-{badness}-{len(rules)}"
        self.hub.rehearsals._copy(self.draft(waves, rules), place)
        return play(Question(folder=str(place), badness=badness, seed=1))

    def serve(self, requests: int, scores: float) -> None:
        """Let every device have answered so many requests in the last quarter of an hour, with such scores in sum."""
        served = {"model": "digits", "version": 1, "span": span_of(BEGINS_AT), "rows": requests, "failed": 0}
        rows = [{"device": f"dev-{number}", "unsure": requests // 10} | served for number in range(8)]
        with self.hub.db.write() as connection:
            connection.execute(sa.insert(behaviour), [row | {"scored": requests, "scores": scores} for row in rows])

    def _enrol(self, connection, number: int, manifest: str) -> None:
        id = f"dev-{number}"
        row = {
            "id": id,
            "name": id,
            "labels": {"site": f"s{number // 4}"},
            "public_key": number.to_bytes(32, "big"),
            "claim_sha256": "",
            "arch": "x86_64",
            "cores": 4,
            "ram_bytes": 2**33,
            "disk_free_bytes": 2**33,
            "runtimes": {"onnxruntime": "1.23.2"},
            "agent_version": "1",
            "python": "3.11",
            "enrolled_at": BEGINS_AT,
            "pace": {"download_bytes_s": 20.0 if number == 5 else 1e6},
        }
        connection.execute(sa.insert(table.device).values(row))
        heard = {"device": id, "last_seen_at": BEGINS_AT, "backlog": 0}
        connection.execute(sa.insert(table.device_heard).values(heard))
        model = {"device": id, "model": "digits", "version": 1, "counter": 1, "manifest_sha256": manifest}
        told = {"step": "idle", "candidate_counter": 0, "held_manifests": [manifest], "reported_at": BEGINS_AT}
        connection.execute(sa.insert(table.device_model).values(model | told))


@pytest.fixture
def fleet():
    with scratch("rehearsal-test") as folder:
        found = Fleet(Path(folder))
        yield found
        found.sim.close()


def test_a_play_as_planned_reaches_everybody_and_names_the_worst_site(fleet):
    run = fleet.played(None)

    assert run.state is RolloutState.DONE
    assert (run.committed, run.broken, run.touched) == (8, 0, 8)
    assert [wave.state for wave in run.waves] == ["passed", "passed"]
    assert run.sites[0].name == "s1"
    assert run.sites[0].busy_s > 1000 > run.sites[1].busy_s
    assert run.bytes > 8 * 21_000
    assert run.touched_at[-1][1] == 8


def test_a_bad_release_is_stopped_at_its_first_device(fleet):
    run = fleet.played(Badness.FAILS_GOLDEN)

    assert run.state is RolloutState.HALTED
    assert run.touched == 1
    assert run.halted_s is not None
    assert run.halted_s < 600


def test_the_copy_has_no_key_of_the_hub_and_the_fleet_is_left_alone(fleet):
    before = fleet.hub.fleet.device("dev-1")
    place = fleet.folder / "copy"

    shown = fleet.hub.rehearsals._copy(fleet.draft(), place)

    facts = msgspec.json.decode((place / "facts.json").read_bytes(), type=Facts)
    assert sorted(path.name for path in place.iterdir()) == ["blobs", "facts.json", "hub.sqlite"]
    assert (shown["devices"], shown["simulated"], len(facts.devices)) == (8, 8, 8)
    assert facts.devices[5].download_bytes_s == 20.0
    assert fleet.hub.fleet.device("dev-1") == before
    assert fleet.hub.rollouts.rollouts() == []


def test_a_release_three_times_as_slow_passes_where_its_budget_is_ten_times_what_was_measured(fleet):
    run = fleet.played(Badness.SLOWER)

    assert run.state is RolloutState.DONE
    assert run.committed == 8
    assert answers(run)["latency"] == RuleAnswer.NOT_STOPPED
    assert run.effect == "p95 24 ms, 3 times what was measured; its budget is 80 ms"


def test_a_release_that_no_one_has_measured_is_not_said_to_be_slow():
    effect = effect_of(Badness.SLOWER, facts_of(a_device()))

    assert effect == "its latency was measured nowhere: how slow it would be is not known"


def test_a_release_that_scores_otherwise_is_stopped_by_that_rule_where_few_requests_were_compared(fleet):
    run = fleet.played(Badness.DISAGREES)

    stopped = [one for one in run.rules if one.answer is RuleAnswer.STOPPED]
    assert run.state is RolloutState.HALTED
    assert [(one.rule, one.wave) for one in stopped] == [("score_shift", 1)]
    assert stopped[0].reason == "the scores of 1 devices shift by 0.600, 0.500 may"
    assert answers(run)["shadow_agreement"] is RuleAnswer.NOT_STOPPED
    assert "each device compares 12 of 50 wanted requests" in run.effect


def test_a_device_refuses_a_release_that_disagrees_on_requests_enough(fleet):
    fleet.serve(requests=900, scores=800.0)

    run = fleet.played(Badness.DISAGREES)

    installs = next(one for one in run.rules if one.rule == "installs")
    assert (installs.answer, installs.wave) == (RuleAnswer.STOPPED, 1)
    assert "agrees with the active model on 60.0% of 50 requests" in installs.reason
    assert answers(run)["score_shift"] is RuleAnswer.CANNOT_SAY


def test_a_release_that_takes_three_times_its_memory_is_refused_where_that_is_over_the_budget():
    heavy = Behaviour(Badness.HEAVIER, facts_of(device := a_device(memory_bytes=2**26)))

    tried = heavy.tried(BUDGETS, device, random.Random(1))

    assert not tried.is_ok
    assert "peak memory is 201326592 bytes, the budget 134217728 bytes" in tried.reason


def test_a_small_release_may_take_three_times_its_memory(fleet):
    run = fleet.played(Badness.HEAVIER)

    assert run.state is RolloutState.DONE
    assert answers(run)["memory"] is RuleAnswer.NOT_STOPPED
    assert "its budget is 128 MiB" in run.effect


def test_lower_scores_are_seen_by_the_rule_that_estimates_accuracy_and_by_no_other(fleet):
    fleet.serve(requests=900, scores=810.0)

    without = fleet.played(Badness.UNSURE, waves=(4, 8))
    with_it = fleet.played(Badness.UNSURE, waves=(4, 8), rules=(GateRule(metric="estimated_accuracy", limit=0.8),))

    assert without.state is RolloutState.DONE
    assert without.effect == "its scores fall from 0.90 on average to 0.60"
    assert with_it.state is RolloutState.HALTED
    assert answers(with_it)["estimated_accuracy"] is RuleAnswer.STOPPED


def test_scores_that_no_device_has_told_are_not_lowered():
    assert effect_of(Badness.UNSURE, facts_of(a_device())).startswith("no device has told of its scores")


def test_a_rule_without_its_evidence_cannot_say_and_is_not_taken_to_have_passed_the_release():
    passed = GateVerdict(metric="memory", state=GateState.PASSED, reason="no device has reported it")
    held = GateVerdict(metric="drift", state=GateState.HELD, reason="no profile has come; waits for at most 9 s")
    seen = GateVerdict(metric="latency", state=GateState.PASSED, reason="0 of 3", numbers={"share": 0.0, "limit": 0.1})
    open_ = GateVerdict(
        metric="golden_parity", state=GateState.PASSED, reason="1 of 1", numbers={"share": 1, "limit": 0}
    )
    weak = GateVerdict(metric="canary_failures", state=GateState.PASSED, reason="low", numbers={"visible_rise": 2.1})

    found = {one.rule: (one.answer, one.reason) for one in rules_of(a_record(passed, held, seen, weak, open_))}

    assert found["memory"] == (RuleAnswer.CANNOT_SAY, "no device has reported it")
    assert found["drift"] == (RuleAnswer.CANNOT_SAY, "no profile has come")
    assert found["latency"] == (RuleAnswer.NOT_STOPPED, "0 of 3")
    assert found["canary_failures"][0] is RuleAnswer.CANNOT_SAY
    assert found["golden_parity"][0] is RuleAnswer.CANNOT_SAY


def test_every_metric_of_a_gate_has_a_number_that_tells_that_it_was_judged():
    assert set(FOUND) == set(GATE_METRICS)


def test_a_rehearsal_names_the_rules_that_it_has_no_data_for():
    gate = GateDraft(rules=(GateRule(metric="drift"), GateRule(metric="bias")))

    said = blind_rules(RolloutDraft(release="digits/2", group="g", waves=(1,), gate=gate))

    assert said == ["no rehearsal has data for bias, drift: waves wait for them as long as they may, and pass"]
    assert blind_rules(RolloutDraft(release="digits/2", group="g", waves=(1,))) == []


def test_a_device_refuses_what_is_over_the_budget_in_the_words_of_its_agent():
    slow = Behaviour(Badness.SLOWER, facts_of(device := a_device(latency_p95_ms=30.0)))

    tried = slow.tried(BUDGETS, device, random.Random(1))

    assert not tried.is_ok
    assert tried.reason == "latency p95 is 90 ms, the budget 80 ms"


def test_every_device_is_rehearsed_with_the_package_and_the_figures_of_its_hardware(fleet):
    fleet.hub.rehearsals._copy(fleet.draft(), place := fleet.folder / "copy")

    facts = msgspec.json.decode((place / "facts.json").read_bytes(), type=Facts)

    assert facts.draft.target_of == {f"dev-{number}": "cpu-fp32" for number in range(8)}
    assert {(one.latency_p95_ms, one.memory_bytes) for one in facts.devices} == {(8.0, 1000)}
    assert facts.budgets["cpu-fp32"].latency_p95_ms == 80.0


def test_a_device_checks_in_as_often_as_its_groups_say_else_as_the_hub_does(fleet):
    fleet.hub.fleet.create_group(OPERATOR, GroupDraft(name="slow", devices=("dev-1", "dev-2"), poll_s=900.0))
    fleet.hub.fleet.create_group(OPERATOR, GroupDraft(name="quick", devices=("dev-2",), poll_s=60.0))

    shown = fleet.hub.rehearsals._copy(fleet.draft(), place := fleet.folder / "copy")

    facts = msgspec.json.decode((place / "facts.json").read_bytes(), type=Facts)
    assert [one.poll_s for one in facts.devices][:4] == [300.0, 900.0, 60.0, 300.0]
    assert "devices check in every 60 s to 900 s, as their groups and the hub say" in shown["assumptions"]


def test_the_copied_hub_knows_how_often_each_device_checks_in(fleet):
    fleet.hub.fleet.create_group(OPERATOR, GroupDraft(name="slow", devices=("dev-1",), poll_s=900.0))
    place = fleet.folder / "play"
    fleet.hub.rehearsals._copy(fleet.draft(), place)

    with Stage(Question(folder=str(place), badness=None, seed=1)) as stage:
        stage.begin()

        hub = stage.hub.hub
        assert (hub.settings.poll_s, hub.fleet.poll_s("dev-1"), hub.fleet.poll_s("dev-2")) == (300.0, 900.0, None)
        assert [one.poll_s for one in hub.fleet.seen(["dev-1", "dev-2"]).values()] == [900.0, 300.0]


def test_the_hub_hears_of_a_device_when_it_checks_in_and_not_in_between(fleet):
    line = Line(fleet.sim, fleet.agenda, lambda: pytest.fail("nobody asks"))
    device = Device(a_device(told_s=300.0), Shared(line, pytest.fail, Behaviour(None, facts_of())), random.Random(1))

    heard = {device.heard_at(BEGINS_AT + 20.0 * beat) for beat in range(180)}

    assert len(heard) in (12, 13)
    assert {round(moment - min(heard)) % 300 for moment in heard} == {0}


def test_a_device_that_is_off_is_not_heard_of(fleet):
    line = Line(fleet.sim, fleet.agenda, lambda: pytest.fail("nobody asks"))
    on_at_nine = a_device(told_s=300.0, hours=(9,))
    device = Device(on_at_nine, Shared(line, pytest.fail, Behaviour(None, facts_of())), random.Random(1))
    nine = BEGINS_AT // 86_400 * 86_400 + 9 * 3600

    assert device.heard_at(nine - 20.0) is None
    assert nine <= (device.heard_at(nine + 1800.0) or 0.0) <= nine + 1800.0
    assert device.heard_at(nine + 5400.0) is None


def test_in_a_large_fleet_canaries_of_the_first_waves_and_controls_of_the_last_have_requests():
    wave_of = {
        f"dev-{number:05}": 1 if number % 1000 == 999 else 2 if number % 10 == 3 else 3 for number in range(20_000)
    }

    asked = watched(list(wave_of.items()), most=1000)

    assert len(asked) == 2000
    assert sum(wave_of[device] == 1 for device in asked) == 20
    assert sum(wave_of[device] == 2 for device in asked) == 980
    assert sum(wave_of[device] == 3 for device in asked) == 1000


def test_in_a_small_fleet_every_device_has_requests():
    assert watched([("a", 1), ("b", 2), ("c", 2)], most=1000) == ["a", "b", "c"]


def test_a_device_in_no_wave_has_no_requests():
    assert watched([("a", 0), ("b", 1)], most=1000) == ["b"]


def test_the_canaries_of_a_rehearsal_have_requests_though_others_come_first_by_name(fleet, monkeypatch):
    monkeypatch.setattr(requests, "MOST_DEVICES", 1)
    fleet.hub.rehearsals._copy(fleet.draft(), place := fleet.folder / "play")

    with Stage(Question(folder=str(place), badness=Badness.ERRORS, seed=1)) as stage:
        rollout = stage.begin().id

        of, served = deployments.c, behaviour.c
        with stage.hub.hub.db.read() as connection:
            canary = connection.scalars(sa.select(of.device).where(of.rollout == rollout, of.wave == 1)).all()
            asked = connection.scalars(sa.select(served.device).distinct()).all()
        assert len(asked) == 2
        assert {*canary} < {*asked}


@pytest.mark.e2e
def test_a_rehearsal_is_a_durable_run_whose_plays_are_processes(fleet):
    run = fleet.hub.rehearsals.start(OPERATOR, fleet.draft(badness=(Badness.FAILS_GOLDEN,)))
    with pytest.raises(RehearsalNotDone):
        fleet.hub.rehearsals.rehearsal(run.id)
    fleet.sim.settle()

    while fleet.hub.jobs.get(run.id).state not in (RunState.DONE, RunState.FAILED):
        fleet.agenda.step()

    found = fleet.hub.rehearsals.rehearsal(run.id)
    assert isinstance(found, RehearsalRecord)
    assert [one.state for one in found.runs] == [RolloutState.DONE, RolloutState.HALTED]
    assert any("line speeds were measured on 8 of 8" in said for said in found.assumptions)


def test_a_rehearsal_of_too_many_devices_is_refused_with_its_field(fleet):
    with pytest.raises(InvalidInput) as caught:
        fleet.hub.rehearsals.start(OPERATOR, fleet.draft(max_devices=0))

    assert caught.value.field == "max_devices"
