"""One device in twenty that lies in all it tells can neither halt a good rollout nor promote a bad one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edgewright.contract.api import GateDraft, GateRule, GateState
from edgewright.contract.gating import GATE_METRICS
from edgewright.contract.report import GoldenResult, ShadowResult
from edgewright.hub.rollout.gates import Action, Evidence, Health, Installed, Labelled, Served, decide, judge

NOW = 1000.0
DEVICES, LIARS = 60, 3
EVERY_RULE = GateDraft(rules=tuple(GateRule(metric=name, wait_s=0.0) for name in GATE_METRICS if name != "drift"))
ALL_COMMITTED = Health(size=DEVICES, committed=DEVICES, failed=0, waiting=0, away=0)

GOOD = Installed(device="", golden_passed=True, agreement=0.97, score_shift=0.05, latency_share=0.6, memory_share=0.6)
SERVES = Served(device="", rows=400, failed=4, unsure=40, rows_before=4000, failed_before=40, unsure_before=400)
WORST = {"golden_passed": False, "agreement": 0.0, "score_shift": 1.0, "latency_share": 1e9, "memory_share": 1e9}
BEST = {"golden_passed": True, "agreement": 1.0, "score_shift": 0.0, "latency_share": 1e-9, "memory_share": 1e-9}
MANY = 10**9


def wave(good: Installed = GOOD, *, failing: int = 4, unsure: int = 40, right: int = 19, scored: float = 380.0):
    """What a wave of honest devices tells, of which the last ones are at another site."""
    names = [f"d{n:02}" for n in range(DEVICES)]
    serves = replace(SERVES, failed=failing, unsure=unsure, estimated_right=scored)
    return Evidence(
        committed_at=NOW,
        installed=tuple(replace(good, device=name) for name in names),
        canaries=tuple(replace(serves, device=name) for name in names),
        controls=tuple(replace(SERVES, device=f"c{n:02}") for n in range(DEVICES)),
        labelled=tuple(Labelled(name, right, 20, (("site", "ab"[n % 2]),)) for n, name in enumerate(names)),
    )


def with_liars(honest: Evidence, say: dict, canary: dict, control: dict, right: int) -> Evidence:
    """The same wave, in which one device in twenty tells whatever suits it, of as many requests as it likes."""
    label = {"right": right, "rows": 20}
    return replace(
        honest,
        installed=tuple(replace(one, **say) if n < LIARS else one for n, one in enumerate(honest.installed)),
        canaries=tuple(replace(one, **canary) if n < LIARS else one for n, one in enumerate(honest.canaries)),
        controls=tuple(replace(one, **control) if n < LIARS else one for n, one in enumerate(honest.controls)),
        labelled=tuple(replace(one, **label) if n < LIARS else one for n, one in enumerate(honest.labelled)),
    )


def blackened(honest: Evidence) -> Evidence:
    return with_liars(
        honest,
        {**WORST, "has_crashed": True},
        {"rows": MANY, "failed": MANY, "unsure": MANY, "rows_before": MANY, "failed_before": 0, "estimated_right": 0.0},
        {"rows": MANY, "failed": 0, "unsure": 0, "rows_before": MANY, "failed_before": MANY},
        0,
    )


def whitewashed(honest: Evidence) -> Evidence:
    return with_liars(
        honest,
        {**BEST, "has_crashed": False},
        {"rows": MANY, "failed": 0, "unsure": 0, "rows_before": MANY, "failed_before": MANY, "estimated_right": MANY},
        {"rows": MANY, "failed": MANY, "unsure": MANY, "rows_before": MANY, "failed_before": 0},
        20,
    )


def test_liars_do_not_halt_a_good_rollout_whatever_they_tell():
    verdicts = judge(EVERY_RULE, blackened(wave()), NOW)

    assert [one.metric for one in verdicts if one.state is GateState.FAILED] == []
    assert decide(ALL_COMMITTED, EVERY_RULE, verdicts).action is Action.ADVANCE


BAD = {
    "crashes": wave(replace(GOOD, has_crashed=True)),
    "golden_parity": wave(replace(GOOD, golden_passed=False)),
    "latency": wave(replace(GOOD, latency_share=1.4)),
    "memory": wave(replace(GOOD, memory_share=1.4)),
    "shadow_agreement": wave(replace(GOOD, agreement=0.35)),
    "score_shift": wave(replace(GOOD, score_shift=0.7)),
    "canary_failures": wave(failing=12),
    "canary_unsure": wave(unsure=120),
    "estimated_accuracy": wave(scored=240.0),
    "labelled_accuracy": wave(right=12),
}


@pytest.mark.parametrize("metric", BAD)
def test_liars_do_not_promote_a_bad_rollout_whatever_they_tell(metric):
    verdicts = judge(EVERY_RULE, whitewashed(BAD[metric]), NOW)

    assert metric in [one.metric for one in verdicts if one.state is GateState.FAILED]
    assert decide(ALL_COMMITTED, EVERY_RULE, verdicts).action is Action.ROLL_BACK


def test_liars_hide_no_wronged_site():
    honest = wave()
    wronged = replace(
        honest,
        labelled=tuple(replace(one, right=11) if one.groups == (("site", "b"),) else one for one in honest.labelled),
    )

    (verdict,) = (one for one in judge(EVERY_RULE, whitewashed(wronged), NOW) if one.metric == "bias")

    assert verdict.state is GateState.FAILED


def test_liars_near_a_limit_can_at_most_have_people_wait():
    """Honest devices are just above, or just below; no lie turns one verdict into the other."""
    rule = GateDraft(rules=(GateRule(metric="labelled_accuracy", limit=0.8, wait_s=3600.0),))
    just_above, just_below = wave(right=17), wave(right=15)

    def states(evidence: Evidence) -> GateState:
        return next(one.state for one in judge(rule, evidence, NOW) if one.metric == "labelled_accuracy")

    assert states(blackened(just_above)) is not GateState.FAILED
    assert states(whitewashed(just_below)) is not GateState.PASSED


@pytest.mark.e2e
@pytest.mark.parametrize("is_good", [True, False])
def test_a_whole_rollout_is_neither_halted_nor_promoted_by_one_device_in_twenty(world, is_good):
    """Every wave has its liars; what honest devices tell decides."""
    world.group()
    for counter in (1, 2):
        world.shelf.put("digits", counter)
    world.enrol(DEVICES)
    world.deploy("digits/1")
    for device in world.devices:
        world.check_in(device)
    id = world.start("digits/2", waves=(20, DEVICES)).id
    world.rollouts.waves.end_deltas(id)

    actions = []
    for number in (1, 2):
        world.tick(id, number)
        for place, device in enumerate(world.wave(id, number)):
            _tell(world, device, is_good=is_good != (place % 20 == 0))
        world.clock.now += 31
        actions.append(world.tick(id, number))
        if actions[-1] != "advance":
            break

    assert actions == (["advance", "advance"] if is_good else ["roll_back"])


def _tell(world, device: str, *, is_good: bool) -> None:
    """Commit, and say of it the best or the worst."""
    installs, _ = world.check_in(device)
    world.run(device, "digits", 2)
    agreement = 0.98 if is_good else 0.1
    report = world.result(installs[0])
    shadow = ShadowResult(requests=50, agreement=agreement, score_shift=1 - agreement, latency_ratio=1.0)
    golden = GoldenResult(passed=is_good, max_error=0.0, argmax_agreement=agreement)
    told = {"shadow": shadow, "golden": golden, "latency_p95_ms": 5.0 if is_good else 5e6}
    world.report(msgspec.structs.replace(report, **told), device)
