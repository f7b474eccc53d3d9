"""`edgewright demo --json`: the whole loop as a person runs it, and what it has to show for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

PATIENCE_S = 600
BAD_VERSION = ("digits", 2)


@pytest.fixture(scope="module")
def summary(tmp_path_factory) -> dict[str, Any]:
    """The one JSON object that it prints."""
    folder = tmp_path_factory.mktemp("demo")
    words = ["demo", "--json", "--dir", str(folder / "run")]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    ended = subprocess.run(
        [sys.executable, "-m", "edgewright.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


def test_it_takes_eight_devices_through_the_loop_in_three_minutes(summary):
    assert summary["devices"] == 8
    assert 0 < summary["wall_s"] <= 180
    assert summary["dashboard"].startswith("http://")


def test_no_request_fails_whatever_is_installed_and_killed(summary):
    assert summary["requests"]["total"] > 1000
    assert summary["requests"]["failed"] == 0


def test_the_authors_own_approval_is_refused(summary):
    assert summary["own_approval_refused"] is True


def test_a_bad_release_reaches_one_device_and_is_remembered(summary):
    assert summary["bad_release"]["state"] == "stopped"
    assert summary["bad_release"]["devices_reached"] == 1


def test_a_device_that_is_killed_in_an_install_recovers(summary):
    assert summary["power_cut"]["killed_at"] in ("fetch", "stage", "trial", "shadow", "commit")
    assert summary["power_cut"]["recovered"] is True


def test_a_device_that_was_away_catches_up_and_loses_nothing(summary):
    offline = summary["offline_device"]

    assert offline["caught_up"] is True
    assert offline["rows_at_hub"] == offline["rows_inferred"] > 0


def test_drift_is_found_where_the_world_has_changed_and_nowhere_else(summary):
    drift = summary["drift"]

    assert (drift["model"], drift["detected"], drift["other_model_flagged"]) == ("digits", True, False)
    assert drift["after_samples"] > 0
    assert drift["features"]


def test_the_repaired_model_is_better_in_the_changed_world(summary):
    assert summary["accuracy"]["after"] >= summary["accuracy"]["before"] + 0.10


def test_the_repair_travels_as_a_delta(summary):
    assert 0 < summary["update"]["sent_bytes"] <= 0.7 * summary["update"]["full_bytes"]


def test_every_variant_is_measured(summary):
    made = {(variant["model"], variant["target"]) for variant in summary["variants"]}

    assert made >= {(model, target) for model in ("digits", "wine") for target in ("cpu-fp32", "cpu-int8")}
    for variant in summary["variants"]:
        is_bad = (variant["model"], variant["version"]) == BAD_VERSION
        assert (variant["accuracy"] < 0.5) is is_bad
        assert variant["latency_p50_ms"] > 0
        assert variant["bytes"] > 0


def test_the_audit_log_is_whole(summary):
    assert summary["audit"]["verified"] is True
    assert summary["audit"]["entries"] > 50
