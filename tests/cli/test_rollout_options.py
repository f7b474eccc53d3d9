"""What people say of a rollout on the command line becomes a draft, or is refused as usage."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from edgewright.cli.verbs.rollout_options import Options, with_options
from edgewright.contract.api import Budget, GateDraft, GateRule, RolloutDraft, ScheduleDraft, SiteCap, WaveDraft
from edgewright.contract.errors import UsageError


def test_without_options_waves_and_gate_are_the_usual_ones():
    assert Options(group="lanes").draft("digits/4") == RolloutDraft(release="digits/4", group="lanes", waves=(1, 3, 8))


def test_every_option_has_its_place_in_the_draft():
    options = Options(
        group="lanes",
        waves="1,5%,site=berlin,50%",
        soak="1h",
        promote=True,
        window=["mon-fri 22:00-05:00"],
        start_at="2026-12-01T22:00+01:00",
        defer="6h",
        budget=["site=1"],
        cap=["site=4", "site=500kB/s"],
        emergency="a fire",
        target="cpu",
        max_failed=2,
        patience="2min",
        rule=["crashes=0.01@4h", "latency=off", "memory"],
    )

    assert options.draft("digits/4") == RolloutDraft(
        release="digits/4",
        group="lanes",
        waves=(
            WaveDraft(count=1, soak_s=3600, needs_promotion=True),
            WaveDraft(percent=5, soak_s=3600, needs_promotion=True),
            WaveDraft(selector="site=berlin", soak_s=3600, needs_promotion=True),
            WaveDraft(percent=50),
        ),
        gate=GateDraft(
            max_failed=2,
            patience_s=120,
            rules=(
                GateRule(metric="crashes", limit=0.01, wait_s=14_400),
                GateRule(metric="latency", is_on=False),
                GateRule(metric="memory"),
            ),
        ),
        target="cpu",
        schedule=ScheduleDraft(start_at=1_796_158_800.0, windows=("mon-fri 22:00-05:00",), max_defer_s=21_600),
        budgets=(Budget(per="site", max_unavailable=1),),
        caps=(SiteCap(per="site", max_at_once=4, bytes_s=500_000),),
        emergency="a fire",
    )


def test_a_file_may_be_taken_for_another_release_and_group(tmp_path: Path):
    path = tmp_path / "plan.toml"
    path.write_text('release = "digits/4"\ngroup = "lanes"\nwaves = [2]\n')

    assert Options(file=path).draft("") == RolloutDraft(release="digits/4", group="lanes", waves=(2,))
    assert Options(file=path, group="all").draft("digits/5") == RolloutDraft(
        release="digits/5", group="all", waves=(2,)
    )
    with pytest.raises(UsageError, match="--waves and --file at once"):
        Options(file=path, waves="1").draft("")


@pytest.mark.parametrize(
    "told",
    [
        {"max_failed": 0},
        {"min_reported": 0.0},
        {"shadow_requests": 0},
        {"shadow_agreement": 0.0},
        {"patience": ""},
        {"promote": True},
        {"rule": ["drift"]},
    ],
)
def test_whatever_is_told_beside_a_file_is_refused_also_where_it_is_nothing(tmp_path: Path, told):
    path = tmp_path / "plan.toml"
    path.write_text('release = "digits/4"\ngroup = "lanes"\nwaves = [2]\n[gate]\nmax_failed = 5\n')

    with pytest.raises(UsageError, match="and --file at once"):
        Options(file=path, **told).draft("")


def test_zero_is_a_word_as_any_other():
    asked = Options(group="lanes", max_failed=0, min_reported=0.0, shadow_requests=0, shadow_agreement=0.0)

    gate = asked.draft("digits/4").gate

    assert gate == GateDraft(max_failed=0, min_reported=0.0, shadow_requests=0, shadow_agreement=0.0)


def test_a_command_with_a_file_and_no_other_option_takes_the_file(tmp_path: Path):
    path, taken = tmp_path / "plan.toml", []
    path.write_text('release = "digits/4"\ngroup = "lanes"\nwaves = [2]\n')
    app = typer.Typer()

    @app.command()
    @with_options
    def start(release: str = "", *, options: Options) -> None:
        taken.append(options.draft(release))

    app(["--file", str(path)], standalone_mode=False)

    assert taken == [RolloutDraft(release="digits/4", group="lanes", waves=(2,))]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "release"),
        ({"group": "g", "waves": "1;3"}, "waves"),
        ({"group": "g", "budget": ["site"]}, "budget"),
        ({"group": "g", "cap": ["site=fast"]}, "cap"),
        ({"group": "g", "cap": ["site=4x/s"]}, "cap"),
        ({"group": "g", "rule": ["crashes=few"]}, "rule"),
        ({"group": "g", "start_at": "tomorrow"}, "start-at"),
        ({"group": "g", "soak": "long"}, "soak"),
        ({"group": "g", "patience": ""}, "patience"),
        ({"group": "g", "defer": ""}, "defer"),
    ],
)
def test_what_cannot_be_read_is_usage(options, field):
    with pytest.raises(UsageError) as caught:
        Options(**options).draft("digits/4")

    assert caught.value.field == field
