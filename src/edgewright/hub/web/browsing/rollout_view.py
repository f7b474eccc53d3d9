"""What the page of a rollout shows, prepared for its template: pure functions from records to words and shapes."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.contract.api import (
    AuditEntry,
    DeploymentRecord,
    GateVerdict,
    RolloutPage,
    RolloutRecord,
    RolloutState,
    WaveRecord,
)
from edgewright.hub.rollout.model import DeploymentState, WaveState
from edgewright.hub.web.browsing.frame import link
from edgewright.hub.web.browsing.terms import gate_terms, terms
from edgewright.hub.web.views import Moment, RolloutView, WaveView, moment, rollout_view
from edgewright.hub.web.wording import duration, size

TOLD = ("reason", "emergency", "wave", "group", "to")  # of an entry of the audit log, in this order


@dataclass(frozen=True)
class Wanted:
    """Which deployments are listed: in a state, of a wave (0: all), from after one on."""

    state: str
    wave: int
    after: str


@dataclass(frozen=True)
class Wave:
    """`waits` says for what, where it has not passed; `terms` what was asked for; `bytes` what crossed links."""

    view: WaveView
    waits: str
    terms: str
    bytes: str
    verdicts: tuple[GateVerdict, ...]
    href: str


@dataclass(frozen=True)
class Done:
    """Something that was done with the rollout, by whom and why."""

    entry: AuditEntry
    at: Moment
    words: str
    why: str


@dataclass(frozen=True)
class Deployed:
    record: DeploymentRecord
    name: str
    at: Moment


@dataclass(frozen=True)
class WholeRollout:
    """One rollout. `filters` are a word, a count, where it leads, and whether it is what is shown."""

    head: RolloutView
    waves: tuple[Wave, ...]
    terms: tuple[tuple[str, str], ...]
    gate: tuple[str, ...]
    filters: tuple[tuple[str, int, str, bool], ...]
    deployments: tuple[Deployed, ...]
    wanted: Wanted
    every: str
    next: str
    first: str
    history: tuple[Done, ...]
    commands: tuple[tuple[str, str], ...]
    path: str
    poll: str
    sentence: str


def whole_rollout(found: RolloutPage, wanted: Wanted, now: float) -> WholeRollout:
    """All that is known of a rollout, and a page of its deployments."""
    record, path = found.rollout, f"/rollouts/{found.rollout.id}"
    head = rollout_view(record, now)
    shown = found.deployments
    return WholeRollout(
        head=head,
        waves=tuple(_wave(record, view, path) for view in head.waves),
        terms=terms(record, now),
        gate=gate_terms(record.gate),
        filters=_filters(record, wanted, path),
        deployments=tuple(
            Deployed(one, found.names.get(one.device, one.device), moment(one.updated_at, now))
            for one in shown.deployments
        ),
        wanted=wanted,
        every=path,
        next=link(path, state=wanted.state, wave=wanted.wave, after=shown.after) if shown.after else "",
        first=link(path, state=wanted.state, wave=wanted.wave) if wanted.after else "",
        history=tuple(_done(entry, now) for entry in found.history),
        commands=commands(record),
        path=path,
        poll=link(f"{path}/part", state=wanted.state, wave=wanted.wave, after=wanted.after),
        sentence=f"{record.state}; "
        + "; ".join(f"wave {wave.record.number} {wave.record.state}: {wave.told}" for wave in head.waves),
    )


def commands(record: RolloutRecord) -> tuple[tuple[str, str], ...]:
    """What a person may do next, as commands."""
    about = f"edgewright rollout {{}} {record.id}"
    reason = " --reason WHY"
    abort = ("End it; devices go back", about.format("abort") + reason)
    if record.state is RolloutState.PAUSED:
        return ("Go on", about.format("resume") + reason), abort
    if record.state is RolloutState.RUNNING:
        standing = [wave for wave in record.waves if wave.state in (WaveState.RUNNING, WaveState.WAITING)]
        promote = [("Let the next wave begin", about.format("promote") + reason)] if standing else []
        pause = ("Let nobody else begin", about.format("pause") + reason)
        return (*promote, ("Follow it", about.format("watch")), pause, abort)
    if record.state is RolloutState.DONE:
        back = about.format("rollback")
        return ("See what taking it back would do", f"{back} --dry-run"), ("Take it back", back + reason)
    return (("See what became of its devices", about.format("deployments")),)


def _wave(rollout: RolloutRecord, view: WaveView, path: str) -> Wave:
    wave = view.record
    sent = f"{size(wave.sent_bytes)} of {size(wave.full_bytes)} over the links" if wave.sent_bytes else ""
    asked = [f"soaks for {duration(wave.soak_s)}"] if wave.soak_s and not wave.committed_at else []
    asked += ["a person lets the next one begin"] if wave.needs_promotion and wave.state != WaveState.PASSED else []
    return Wave(view, view.why, ", ".join(asked), sent, _asked(rollout, wave), link(path, wave=wave.number))


def _asked(rollout: RolloutRecord, wave: WaveRecord) -> tuple[GateVerdict, ...]:
    """What the gate says of the newest wave that it was asked about, and whatever did not pass before."""
    judged = [one.number for one in rollout.waves if one.verdicts]
    is_newest = bool(judged) and wave.number == judged[-1]
    return tuple(verdict for verdict in wave.verdicts if is_newest or verdict.state != "passed")


def _filters(record: RolloutRecord, wanted: Wanted, path: str) -> tuple[tuple[str, int, str, bool], ...]:
    states = [(state.value, record.states.get(state, 0)) for state in DeploymentState]
    shown = [(name, count) for name, count in states if count or name == wanted.state]
    links = [(name, count, link(path, state=name, wave=wanted.wave), name == wanted.state) for name, count in shown]
    return (("all", record.devices, link(path, wave=wanted.wave), not wanted.state), *links)


def _done(entry: AuditEntry, now: float) -> Done:
    told = {name: str(entry.detail[name]) for name in TOLD if entry.detail.get(name)}
    why = told.pop("reason", "") or told.pop("emergency", "")
    words = entry.action.partition(".")[2].replace("_", " ")
    if "wave" in told:
        words = words.replace("wave", f"wave {told['wave']}", 1)
    return Done(entry, moment(entry.at, now), words, why)
