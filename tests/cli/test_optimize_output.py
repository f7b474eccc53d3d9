"""Studies as the terminal shows them: the front, its chart, the reasons, each trial as it ends."""

from __future__ import annotations

import json

import pytest
import typer

from edgewright.cli.arguments import bytes_of, share_of
from edgewright.cli.chart import HEIGHT, Point, scatter
from edgewright.cli.output import show_table
from edgewright.cli.verbs.studies import (
    refuse_unmet,
    show_pareto,
    show_study,
    show_trial,
    study_columns,
    trial_of,
)
from edgewright.cli.verbs.trials import trial_line
from edgewright.contract.api import StudyState
from edgewright.contract.errors import UsageError
from scenes.studies import STARTED, study


def shown(capsys) -> str:
    """What was printed, which must fit 80 columns; talk may be longer, since the terminal wraps it."""
    seen = capsys.readouterr()
    assert max(map(len, seen.out.splitlines()), default=0) <= 80
    return seen.out + seen.err


def test_a_front_is_a_chart_a_table_the_rest_and_the_places_of_its_figures(capsys):
    show_pareto(study(), "p95", as_json=False)

    out = shown(capsys)
    assert "accuracy against p95 latency of a row" in out
    assert "t2 *=" in out
    assert "97.5%" in out
    assert "84.2 kB" in out
    assert "device, lane-3 (raspberry-pi-5) (t2)" in out
    assert "killed" not in out.split("REST")[0]
    assert all(f"t{number}" in out for number in range(7))
    assert "1 more recipe not tried" in out


@pytest.mark.parametrize("by", ["p95", "size", "memory"])
def test_a_chart_fits_80_columns_whatever_lies_across(capsys, by):
    show_pareto(study(), by, as_json=False)

    drawn = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert len(drawn) == HEIGHT
    assert max(map(len, drawn)) <= 80
    assert any("t3" in line for line in drawn)
    assert any("·" in line for line in drawn)


def test_points_lie_by_both_figures():
    lines = scatter([Point("a", 1.0, 0.9), Point("b", 100.0, 0.5), Point("c", 10.0, 0.9)], str, str)

    top, bottom = lines[0].partition("│")[2], lines[HEIGHT - 1].partition("│")[2]
    assert top.index("a") < top.index("c") < bottom.index("b")
    assert lines[0].lstrip().startswith("0.9")


def test_a_study_is_explained_with_its_limits_and_the_reason_of_each_trial(capsys):
    show_study(study(), as_json=False)

    out = shown(capsys)
    assert "p95 of at most 0.5 ms" in out
    assert "at most 200 kB" in out
    assert "breaks" in out
    assert "3.34 times smaller" in out
    assert "its toolchain vela is not" in " ".join(out.split())
    assert "nothing lost" in out


def test_a_trial_is_told_whole(capsys):
    record = study()

    show_trial(record, trial_of(record, "t2"), as_json=False)

    out = " ".join(shown(capsys).split())
    assert "97.5% accuracy (96.3% to 98.7%) on 360 rows; drop 0.30%, at most 1.10%" in out
    assert "(p50 / p95 / p99), device, lane-3 (raspberry-pi-5)" in out
    assert "0.05 ms / 0.06 ms / 0.07 ms (p50 / p95 / p99), hub, x86_64" in out
    assert "calibrated on 512 rows" in out
    assert "3.34 times smaller, 1.60 times as fast" in out
    assert "9.4 kB as a delta" in out


def test_an_unknown_trial_is_refused_with_those_that_there_are():
    with pytest.raises(UsageError, match="no trial 't9'") as caught:
        trial_of(study(), "t9")
    assert "t0, t1" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (3, "t3 clean → prune-channels ratio=0.5 → static-int8 activations=u8 per_channel=True weights=s8: kept, from"),
        (4, "1.48 ms, 90.1 kB; breaks latency_p95_ms"),
        (5, "strayed, 60.2%, 0.201 ms, 279 kB; agrees with the source on 61.1%"),
        (6, "t6 qat epochs=5: failed, step qat was killed by SIGKILL"),
        (7, "t7 vela: skipped, its toolchain vela is not installed"),
    ],
)
def test_each_trial_is_a_line_as_it_ends(number, told):
    assert told in trial_line(study().trials[number])


def test_constraints_that_nothing_meets_are_a_refusal_in_the_words_of_the_study(capsys):
    reason = "nothing is below 10 kB; the nearest is t3 with 31.9 kB: size_bytes binds"

    with pytest.raises(typer.Exit) as caught:
        refuse_unmet([study(StudyState.UNMET, reasons=(reason,))])

    assert caught.value.exit_code == 1
    err = capsys.readouterr().err
    assert reason in err
    assert "edgewright optimize explain defects@3 --target cpu-int8" in err


def test_studies_are_listed_in_80_columns(capsys):
    show_table([study()], study_columns(STARTED + 100), as_json=False, empty="")

    out = shown(capsys)
    assert "cpu-int8" in out
    assert "2 min ago" in out or "100 s ago" in out or "1 min ago" in out


def test_a_study_as_json_is_its_record(capsys):
    show_pareto(study(), "p95", as_json=True)

    assert json.loads(capsys.readouterr().out)["recommended"] == "t2"


def test_sizes_and_shares_are_read_as_people_write_them():
    assert [bytes_of(text, "size") for text in ("250kB", "1.5 MB", "512KiB", "77")] == [250_000, 1_500_000, 524_288, 77]
    assert [share_of(text, "max-drop") for text in ("0.5%", "0.005", "1")] == [0.005, 0.005, 1.0]


@pytest.mark.parametrize(("read", "text"), [(bytes_of, "big"), (bytes_of, "5 apples"), (share_of, "2")])
def test_what_is_no_size_and_no_share_is_a_mistake_of_usage(read, text):
    with pytest.raises(UsageError) as caught:
        read(text, "size")
    assert caught.value.hint
