"""What `edgewright rollout start` says of a rollout: its waves, and what speaks against its plan."""

from __future__ import annotations

import json

import pytest

from edgewright.cli.verbs.waves import show_rollout
from edgewright.contract.api import GateDraft, RolloutRecord, RolloutState

DOUBT = "no wave soaks: what canaries answer is not compared with controls"


@pytest.fixture
def started() -> RolloutRecord:
    """A rollout as its start returns it."""
    return RolloutRecord(
        id="digits-1-r1",
        release="digits/1",
        model="digits",
        version=1,
        counter=1,
        group="lanes",
        state=RolloutState.RUNNING,
        reason="",
        gate=GateDraft(),
        waves=(),
        deployments=(),
        created_at=1.0,
        created_by="ada",
        warnings=(DOUBT,),
    )


def test_a_rollout_that_starts_is_shown_with_what_speaks_against_its_plan(started, capsys):
    show_rollout(started, as_json=False)

    assert f"warning: {DOUBT}" in capsys.readouterr().err


def test_as_json_what_speaks_against_it_is_among_its_facts(started, capsys):
    show_rollout(started, as_json=True)

    said = capsys.readouterr()
    assert json.loads(said.out)["warnings"] == [DOUBT]
    assert said.err == ""
