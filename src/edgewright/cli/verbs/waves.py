"""A rollout on the terminal: its waves, live while it is watched, and its devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgewright.cli.formats import counted, share, size
from edgewright.cli.output import (
    Column,
    build_table,
    console,
    say,
    say_warnings,
    show_facts,
    show_json,
    show_json_line,
    show_table,
)

if TYPE_CHECKING:
    from edgewright.contract.api import DeploymentRecord, GateRule, GateVerdict, RolloutRecord, WaveRecord


def show_rollout(rollout: RolloutRecord, *, as_json: bool, with_devices: bool = False) -> None:
    """The rollout's facts and waves, and its devices where wanted."""
    if as_json:
        show_json(rollout)
        return
    show_facts(rollout, ROLLOUT_FACTS, as_json=False)
    show_table(rollout.waves, WAVE_COLUMNS, as_json=False, empty="No waves yet.")
    if with_devices:
        if verdicts := _verdicts(rollout):
            show_table(verdicts, VERDICT_COLUMNS, as_json=False, empty="")
        show_table(rollout.deployments, DEPLOYMENT_COLUMNS, as_json=False, empty="No device has begun.")
        if told := [one for one in rollout.deployments if one.reason]:
            show_table(told, REASON_COLUMNS, as_json=False, empty="")
    say_warnings(rollout.warnings)


def show_watched(rollouts: Iterable[RolloutRecord], *, as_json: bool) -> RolloutRecord:
    """Show each state of a rollout until the last, which is returned: a live table, lines off a terminal, or JSON."""
    talk = console(is_talk=True)
    if as_json or not talk.is_terminal:
        return _show_lines(rollouts, as_json=as_json)
    from rich.live import Live

    with Live(console=talk, auto_refresh=False) as live:
        for rollout in rollouts:
            live.update(build_table(rollout.waves, WAVE_COLUMNS), refresh=True)
    return rollout


def _show_lines(rollouts: Iterable[RolloutRecord], *, as_json: bool) -> RolloutRecord:
    before: RolloutRecord | None = None
    for rollout in rollouts:
        if as_json:
            show_json_line(rollout)
        else:
            for wave in rollout.waves:
                if before is None or wave not in before.waves:
                    say(_line(wave))
            if before is None or rollout.state != before.state:
                say(f"rollout {rollout.id}: {rollout.state} {rollout.reason}".rstrip())
        before = rollout
    return rollout


def _verdicts(rollout: RolloutRecord) -> list[tuple[int, GateVerdict]]:
    """What the gate says of the newest wave that it was asked about, and whatever failed before."""
    asked = [wave for wave in rollout.waves if wave.verdicts]
    return [
        (wave.number, verdict)
        for wave in asked
        for verdict in wave.verdicts
        if wave is asked[-1] or verdict.state == "failed"
    ]


def _line(wave: WaveRecord) -> str:
    counts = f"{wave.committed} committed, {wave.failed} failed, {wave.waiting} waiting"
    counts += f", {wave.held} held back" if wave.held else ""
    return f"wave {wave.number} to {counted(wave.size, 'device')}: {wave.state}, {counts}"


ROLLOUT_FACTS: list[Column[RolloutRecord]] = [
    ("rollout", lambda one: one.id),
    ("release", lambda one: f"{one.release} ({one.model}@{one.version})"),
    ("group", lambda one: one.group),
    ("state", lambda one: f"{one.state} {one.reason}".rstrip()),
    ("gate", lambda one: _gate(one)),
    ("bytes", lambda one: _bytes(one)),
    ("by", lambda one: one.created_by),
]

WAVE_COLUMNS: list[Column[WaveRecord]] = [
    ("WAVE>", lambda one: str(one.number)),
    ("DEVICES>", lambda one: str(one.size)),
    ("STATE", lambda one: one.state),
    ("COMMITTED>", lambda one: str(one.committed)),
    ("FAILED>", lambda one: str(one.failed)),
    ("WAITING>", lambda one: str(one.waiting)),
    ("REASON", lambda one: one.reason),
]

VERDICT_COLUMNS: list[Column[tuple[int, GateVerdict]]] = [
    ("WAVE>", lambda one: str(one[0])),
    ("RULE", lambda one: one[1].metric),
    ("SAYS", lambda one: one[1].state),
    ("WHY", lambda one: one[1].reason),
]

DEPLOYMENT_COLUMNS: list[Column[DeploymentRecord]] = [
    ("DEVICE", lambda one: one.device),
    ("WAVE>", lambda one: str(one.wave)),
    ("TARGET", lambda one: one.target),
    ("STATE", lambda one: one.state),
    ("AGREES>", lambda one: "" if one.agreement is None else share(one.agreement)),
    ("RECEIVED>", lambda one: _received(one)),
    ("FULL>", lambda one: size(one.full_bytes) if one.full_bytes else ""),
]

REASON_COLUMNS: list[Column[DeploymentRecord]] = [
    ("DEVICE", lambda one: one.device),
    ("REASON", lambda one: one.reason),
]


def _received(deployment: DeploymentRecord) -> str:
    """What has crossed the link; before a device has reported, what its order was planned to cost."""
    planned = f"~{size(deployment.planned_bytes)}" if deployment.planned_bytes else ""
    return size(deployment.received_bytes) if deployment.received_bytes else planned


def _bytes(rollout: RolloutRecord) -> str:
    sent_bytes = sum(wave.sent_bytes for wave in rollout.waves)
    full_bytes = sum(wave.full_bytes for wave in rollout.waves)
    return f"{size(sent_bytes)} instead of {size(full_bytes)} ({share(sent_bytes / full_bytes)})" if full_bytes else ""


def _gate(rollout: RolloutRecord) -> str:
    gate = rollout.gate
    shadow = f"{gate.shadow_requests} requests must agree to {share(gate.shadow_agreement)}"
    counts = f"{gate.max_failed} may fail, {share(gate.min_reported)} must report"
    return ", ".join([counts, shadow if gate.shadow_requests else "no shadow phase", *map(_rule, gate.rules)])


def _rule(rule: GateRule) -> str:
    limit = "" if rule.limit is None else f" {rule.limit:g}"
    return f"{rule.metric}{limit}" if rule.is_on else f"{rule.metric} off"
