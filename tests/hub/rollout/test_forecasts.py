"""What a plan would mean, and which devices a release fits: told before anything is started."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import Budget, GateDraft, GateRule, RolloutDraft, ScheduleDraft, SiteCap, WaveDraft
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import Budgets
from edgewright.hub.rollout import RolloutOverlaps
from edgewright.hub.rollout.planner import Figures, Planner
from edgewright.hub.rollout.planning import Measured
from edgewright.hub.rollout.planning.doubts import power

BUDGETS = Budgets(latency_p95_ms=10, memory_bytes=2**40)
DRAFT = RolloutDraft(release="digits/1", group="lanes", waves=(1, 100))


@pytest.fixture
def sites(world):
    """Two devices in Berlin, four in Hamburg, one without a site; digits/1 is ready."""
    world.group()
    world.shelf.put("digits", 1)
    return world.enrol(2, site="berlin") + world.enrol(4, site="hamburg") + world.enrol(1)


def forecast(world, **changes):
    return world.rollouts.planner.forecast(msgspec.structs.replace(DRAFT, **changes))


def test_a_forecast_tells_waves_sites_bytes_and_turns_and_starts_nothing(world, sites):
    found = forecast(
        world,
        waves=(WaveDraft(selector="site=berlin", soak_s=3600.0), WaveDraft(percent=100)),
        budgets=(Budget(per="site", max_unavailable=2),),
        caps=(SiteCap(per="site", bytes_s=0.1),),
    )

    assert [(wave.asked, wave.size, wave.sites) for wave in found.waves] == [("site=berlin", 2, 1), ("100%", 5, 2)]
    assert [(site.site, site.devices) for site in found.sites] == [("hamburg", 4), ("berlin", 2), ("", 1)]
    assert (found.sent_bytes, found.full_bytes) == (7 * 4, 7 * 9)
    assert [(budget.sites, budget.largest, budget.turns) for budget in found.budgets] == [(3, 4, 2)]
    assert found.least_s == 3600.0 + 16 / 0.1
    assert any("1 devices have no label 'site'" in warning for warning in found.warnings)
    assert world.rollouts.rollouts() == []


def test_windows_open_by_time_zone_and_what_is_unsure_is_a_warning(world, sites):
    found = forecast(world, schedule=ScheduleDraft(start_at=world.clock.now - 60.0, windows=("mon-sun 02:00-02:10",)))

    (opening,) = found.openings
    assert (opening.time_zone, opening.devices) == ("", 7)
    assert opening.opens_at > world.clock.now
    assert found.begins_at == opening.opens_at
    said = " ".join(found.warnings)
    for what in ("start lies in the past", "shorter than 30 minutes", "7 devices tell no time zone"):
        assert what in said


def test_an_emergency_is_one_wave_and_says_so(world, sites):
    found = forecast(
        world, waves=(1, 2, 7), emergency="doors stay open", schedule=ScheduleDraft(windows=("mon 01:00-02:00",))
    )

    assert [wave.size for wave in found.waves] == [7]
    assert found.begins_at == world.clock.now
    assert found.warnings[0].startswith("an emergency: all 7 devices go at once")


def test_small_canaries_are_told_as_such(world, sites):
    (warning, *_) = forecast(world, waves=(1, 100)).warnings

    assert "shows there with a chance of 10% only" in warning
    assert power(22, 0.1) > 0.9


NO_SOAK = "no wave soaks: what canaries answer is not compared with controls; --soak 4h"
SHORT_SOAK = "no wave soaks for half an hour"
PATIENT = GateDraft(rules=(GateRule(metric="canary_failures", wait_s=14_400.0),))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, NO_SOAK),
        ({"waves": (1, 3, WaveDraft(percent=100, soak_s=14_400.0))}, NO_SOAK),
        ({"waves": (WaveDraft(count=1, soak_s=600.0), WaveDraft(count=3, soak_s=1799.0), 7)}, SHORT_SOAK),
        ({"waves": (WaveDraft(count=1, soak_s=1800.0), 7)}, ""),
        ({"waves": (1, WaveDraft(count=3, soak_s=14_400.0), 7)}, ""),
        ({"waves": (WaveDraft(count=1, needs_promotion=True), 7)}, ""),
        ({"gate": PATIENT}, ""),
        ({"waves": (WaveDraft(count=1, gate=PATIENT), 7)}, ""),
        ({"waves": (7,)}, ""),
        ({"emergency": "doors stay open"}, ""),
    ],
)
def test_waves_that_pass_before_canaries_could_be_compared_are_told_as_such(world, sites, change, said):
    found = [warning for warning in forecast(world, **change).warnings if "soaks:" in warning or "soaks for" in warning]

    assert len(found) == bool(said)
    assert all(warning.startswith(said) for warning in found)


def test_a_start_says_what_speaks_against_its_plan_as_the_plan_does(world, sites, operator):
    planned = forecast(world).warnings

    assert world.rollouts.start(operator, DRAFT, dry_run=True).warnings == planned
    started = world.rollouts.start(operator, DRAFT)
    assert started.warnings == planned
    assert world.rollouts.rollout(started.id).warnings == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"waves": (WaveDraft(selector="site=paris"), 100)}, "waves.1"),
        ({"budgets": (Budget(per="shop", max_unavailable=1),)}, "budgets.1.per"),
        ({"caps": (SiteCap(per="shop", max_at_once=1),)}, "caps.1.per"),
    ],
)
def test_what_no_device_of_the_group_is_or_has_is_refused(world, sites, change, field):
    with pytest.raises(InvalidInput) as caught:
        forecast(world, **change)

    assert caught.value.field == field


def test_a_plan_names_the_rollout_that_still_has_the_devices(world, sites):
    id = world.start("digits/1").id

    with pytest.raises(RolloutOverlaps, match=f"rollout {id} of 'digits' still has 7 of these 7 devices"):
        forecast(world)


def test_who_fits_what_is_counted_by_package_and_reason(world, sites, manifest_of):
    board = world.enrol(1, arch="aarch64")
    small, large = manifest_of("digits", 2, "small"), manifest_of("digits", 2, "large", budgets=BUDGETS)
    world.shelf.put("digits", 2, small=small, large=large)

    found = world.rollouts.planner.fit("digits", 2, "lanes")

    assert (found.devices, found.fitting) == (8, 7)
    assert {package.target: (package.fitting, package.chosen) for package in found.packages} == {
        "small": (7, 7),
        "large": (0, 0),
    }
    (misfit,) = found.misfits
    assert (misfit.count, list(misfit.devices)) == (1, board)
    assert "small: needs x86_64, the device is aarch64" in misfit.reason


def test_a_package_that_was_too_slow_on_this_very_hardware_does_not_fit(world, sites, manifest_of):
    world.shelf.put("digits", 2, cpu=manifest_of("digits", 2, "cpu"))
    (file,) = world.shelf.manifest(world.shelf.package("digits", 2)).files
    figures = Figures(lambda files: {file.sha256: {"x86_64, 1 cores": Measured(50.0, 9, 3)}})
    planner = Planner(world.db, world.clock, world.fleet, world.shelf, world.shelf, figures)

    found = planner.fit("digits", 2)

    assert found.fitting == 0
    assert [one.reason for one in found.misfits] == [
        "cpu: takes 50 ms at p95 (measured on 3 of its kind), its budget is 10 ms"
    ]
    ((figure,),) = (package.figures for package in found.packages)
    assert (figure.place, figure.measured_on, figure.fitting) == ("device", 3, 0)
