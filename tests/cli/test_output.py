"""Tables, facts and JSON as they are printed."""

from __future__ import annotations

import json

import msgspec

from edgewright.cli import formats
from edgewright.cli.output import fit_widths, say, say_done, show_facts, show_table
from edgewright.cli.verbs.model import VARIANT_COLUMNS
from edgewright.cli.verbs.release import DELTA_COLUMNS
from edgewright.cli.verbs.rollout_gates import gates
from edgewright.cli.verbs.waves import show_rollout, show_watched
from edgewright.contract.api import (
    DeltaRecord,
    DeltaState,
    DeploymentRecord,
    GateDraft,
    GateRule,
    GateState,
    GateVerdict,
    RolloutRecord,
    RolloutState,
    UserRecord,
    VariantRecord,
    WaveRecord,
)

COLUMNS = [("NAME", lambda one: one.name), ("ROLES", lambda one: formats.words(one.roles))]
USERS = [UserRecord(name="[red]ada", roles=("admin",)), UserRecord(name="b" * 90, roles=())]


def rollout(state: RolloutState = RolloutState.RUNNING, passed: int = 0) -> RolloutRecord:
    waves = tuple(
        WaveRecord(number=n, size=s, state="passed" if n <= passed else "running", committed=0, failed=0, waiting=s)
        for n, s in ((1, 1), (2, 3), (3, 8))
    )
    device = DeploymentRecord(
        id="x",
        device="dev-66b493f46de8ca4b",
        wave=1,
        target="cpu-int8",
        state="committed",
        reason="the shadow comparison found too few agreeing answers",
        updated_at=1.0,
        agreement=0.96,
        received_bytes=12_345,
        full_bytes=45_678,
    )
    facts = {"release": "digits/4", "model": "digits", "version": 3, "counter": 4, "group": "all", "reason": ""}
    return RolloutRecord(
        id="rollout-1",
        **facts,
        state=state,
        gate=GateDraft(),
        waves=waves,
        deployments=(device,),
        created_at=1.0,
        created_by="ada",
    )


def test_a_table_fits_80_columns_and_loses_nothing(capsys):
    show_table(USERS, COLUMNS, as_json=False, empty="")

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "[red]ada" in out
    assert out.count("b") == 90


def test_what_a_gate_says_of_the_newest_wave_is_printed_with_what_failed_before(capsys):
    why = "power is low: of requests that fail, a rise to 3.1 times as many would show by now"
    passed = GateVerdict(metric="canary_failures", state=GateState.PASSED, reason=why)
    failed = GateVerdict(metric="latency", state=GateState.FAILED, reason="3 of 8 devices are over the budget")
    shown = rollout(passed=1)
    waves = [msgspec.structs.replace(wave, verdicts=(passed,)) for wave in shown.waves]
    waves[0] = msgspec.structs.replace(waves[0], verdicts=(passed, failed))
    gate = GateDraft(rules=(GateRule(metric="drift", limit=0.2), GateRule(metric="memory", is_on=False)))

    show_rollout(msgspec.structs.replace(shown, waves=tuple(waves), gate=gate), as_json=False, with_devices=True)

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("canary_failures") == 1
    assert "3 of 8 devices are over the budget" in " ".join(out.split())
    assert "drift 0.2, memory off" in " ".join(out.split())


def test_the_rules_of_gates_are_listed_with_their_defaults(capsys):
    gates(as_json=True)

    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["crashes"]["is_default"]
    assert listed["drift"]["limit"] == 0.1


def test_what_is_short_stays_whole_where_room_is_scarce():
    wanted, numbers = [25, 15, 7, 6, 30, 9], [False, False, False, True, False, False]

    given = fit_widths(wanted, numbers, 72)

    assert sum(given) == 72
    assert (given[0], given[2], given[3], given[5]) == (25, 7, 6, 9)


def test_details_are_words_with_short_digests():
    told = formats.details({"roles": ["admin", "viewer"], "digest": "sha256:" + "ab" * 32, "labels": {}, "count": 3})

    assert told == "roles=admin+viewer, digest=sha256:abababababab, labels=none, count=3"


def test_variants_fit_80_columns(capsys):
    variant = VariantRecord(
        model="digits",
        version=3,
        target="cpu-int8",
        recipe=("prune 0.4", "static int8 per channel"),
        sha256="",
        size_bytes=12_345,
        source_bytes=45_678,
        accuracy=0.9644,
        source_accuracy=0.9689,
        latency_p50_ms=0.0123,
        latency_p95_ms=0.0234,
        memory_bytes=3_400_000,
        parity=0.99,
        is_parity_kept=True,
        reasons=(),
        tools={},
        golden_sha256="",
        created_at=1.0,
    )

    show_table([variant], VARIANT_COLUMNS, as_json=False, empty="")

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_json_is_the_records_and_nothing_else(capsys):
    show_table(USERS, COLUMNS, as_json=True, empty="")

    seen = capsys.readouterr()
    assert [user["name"] for user in json.loads(seen.out)] == ["[red]ada", "b" * 90]
    assert seen.err == ""


def test_an_empty_table_says_what_to_do_on_stderr_and_is_an_empty_array_in_json(capsys):
    show_table([], COLUMNS, as_json=False, empty="No users yet.")
    told = capsys.readouterr()
    show_table([], COLUMNS, as_json=True, empty="No users yet.")

    assert (told.out, told.err) == ("", "No users yet.\n")
    assert json.loads(capsys.readouterr().out) == []


def test_facts_leave_out_what_is_empty(capsys):
    show_facts(USERS[1], COLUMNS, as_json=False)

    out = capsys.readouterr().out
    assert "NAME" in out
    assert "ROLES" not in out


def test_talk_goes_to_stderr_whole(capsys):
    say_done("x" * 100, "edgewright model ls", dry_run=False)

    assert capsys.readouterr() == ("", f"{'x' * 100}\nnext: edgewright model ls\n")


def test_a_dry_run_says_that_nothing_was_changed(capsys):
    say_done("digits@1 is frozen", "edgewright train", dry_run=True)

    assert capsys.readouterr().err == "dry run, nothing was changed; without it: digits@1 is frozen\n"


def test_a_rollout_is_shown_with_its_waves_and_devices(capsys):
    show_rollout(rollout(), as_json=False, with_devices=True)

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "12.3 kB" in out
    assert "dev-66b493f46de8ca4b" in out


def test_off_a_terminal_a_watched_rollout_tells_each_change_in_a_line(capsys):
    states = [rollout(), rollout(passed=1), rollout(RolloutState.DONE, passed=1)]

    last = show_watched(states, as_json=False)

    seen = capsys.readouterr()
    assert last.state == "done"
    assert seen.out == ""
    assert seen.err.splitlines()[-2:] == [
        "wave 1 to 1 device: passed, 0 committed, 0 failed, 1 waiting",
        "rollout rollout-1: done",
    ]


def test_a_watched_rollout_is_a_line_of_json_per_change(capsys):
    show_watched([rollout(), rollout(RolloutState.DONE)], as_json=True)

    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["running", "done"]


def test_sizes_and_spans_have_their_unit():
    assert [formats.size(size) for size in (0, 999, 1000, 99_949, 999_600, 5_000_000, 2_500_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "99.9 kB",
        "1.0 MB",
        "5.0 MB",
        "2.5 GB",
    ]
    assert [formats.duration(span) for span in (0.2, 59, 60, 7200, 200_000)] == ["0 s", "59 s", "1 min", "2 h", "2 d"]
    assert formats.ago(None, 5.0) == "never"


def test_deltas_are_told_in_80_columns_with_the_reason_where_there_is_none(capsys):
    facts = {"target": "cpu-int8", "file": "model.onnx", "base_sha256": "a" * 64, "result_sha256": "b" * 64}
    facts |= {"full_bytes": 104_448, "cpu_s": 0.4, "used_at": 0.0}
    made = DeltaRecord(base="digits/6", devices=41, state=DeltaState.MADE, reason="", size_bytes=22_130, **facts)
    reason = "no time was left for it after more valuable pairs"
    skipped = DeltaRecord(base="digits/5", devices=2, state=DeltaState.SKIPPED, reason=reason, size_bytes=0, **facts)

    show_table([made, skipped], DELTA_COLUMNS, as_json=False, empty="")

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "22.1 kB" in out
    assert "21.2%" in out
    assert "skipped:" in out


def test_what_an_order_is_planned_to_cost_is_shown_until_the_device_has_reported(capsys):
    base = rollout()
    offered = msgspec.structs.replace(
        base.deployments[0], state="offered", planned_bytes=9_000, received_bytes=0, full_bytes=40_000
    )
    carried = msgspec.structs.replace(base.waves[0], sent_bytes=21_345, full_bytes=85_678)

    show_rollout(
        msgspec.structs.replace(base, waves=(carried,), deployments=(base.deployments[0], offered)),
        as_json=False,
        with_devices=True,
    )

    out = capsys.readouterr().out
    assert "~9.0 kB" in out
    assert "21.3 kB instead of 85.7 kB (24.9%)" in out


def test_what_somebody_wrote_does_not_steer_the_terminal_of_who_reads_it(capsys):
    user = UserRecord(name="ada\x1b[2J\x9b31m", roles=())

    show_table([user], COLUMNS, as_json=False, empty="")
    show_facts(user, COLUMNS, as_json=False)
    say(user.name)

    printed = capsys.readouterr()
    assert "ada\ufffd[2J\ufffd31m" in printed.out
    assert "ada\ufffd[2J\ufffd31m" in printed.err
    assert not {"\x1b", "\x9b"} & {*printed.out, *printed.err}
