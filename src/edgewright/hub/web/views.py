"""What the dashboard shows, prepared for its templates: pure functions from the overview to words and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.api import (
    DeviceModel,
    DeviceRecord,
    DeviceState,
    JudgedLine,
    Overview,
    ReleaseRecord,
    ReleaseState,
    RolloutRecord,
    RolloutState,
    RunRecord,
    RunState,
    VersionRecord,
    WaveRecord,
)
from edgewright.hub.fleet import POLLS_MISSED, Seen
from edgewright.hub.web.wording import Segment, duration, plural, segments, size, tone, utc

AWAY_AFTER_S = 15.0
LEFT = (DeviceState.RETIRED, DeviceState.REVOKED)
DEVICES_SHOWN = 25
ROLLOUTS_SHOWN = 8
VERSIONS_SHOWN = 12
RUNS_SHOWN = 12


@dataclass(frozen=True)
class Glance:
    """One look at the hub: every part of the page is made from the same one."""

    overview: Overview
    away_after_s: float

    def moment(self, at: float) -> Moment:
        """A time as people say it, from the moment of this look."""
        return moment(at, self.overview.at)

    def is_away(self, device: DeviceRecord) -> bool:
        """Whether a device has missed its polls."""
        return is_silent(device, self.overview.at, self.away_after_s)

    def names(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Devices' names for their ids."""
        name_of = {device.id: device.name for device in self.overview.devices}
        return tuple(name_of.get(id, id) for id in ids)


@dataclass(frozen=True)
class Moment:
    iso: str
    full: str
    text: str


@dataclass(frozen=True)
class Tile:
    """A figure of the summary; `href` leads to the part of the page that explains it."""

    label: str
    value: str
    detail: str
    tone: str
    href: str


@dataclass(frozen=True)
class Summary:
    moment: Moment
    tiles: tuple[Tile, ...]
    sentence: str
    audit_entries: int


@dataclass(frozen=True)
class Cell:
    """One model on one device. `state` is 'current', 'behind' or ''."""

    version: int
    counter: int
    desired_counter: int
    step: str
    state: str
    is_bad: bool  # the device runs a release that is known as bad


@dataclass(frozen=True)
class DeviceRow:
    id: str
    name: str
    labels: tuple[str, ...]
    machine: str
    seen: Moment | None
    state: str
    cells: tuple[Cell | None, ...]
    backlog: int


@dataclass(frozen=True)
class Fleet:
    models: tuple[str, ...]
    devices: tuple[DeviceRow, ...]
    hidden: int


@dataclass(frozen=True)
class WaveView:
    """A wave. `why` is its reason, with how long it still soaks."""

    record: WaveRecord
    why: str
    segments: tuple[Segment, ...]
    told: str
    took: str


@dataclass(frozen=True)
class RolloutView:
    record: RolloutRecord
    started: Moment
    took: str
    waves: tuple[WaveView, ...]


@dataclass(frozen=True)
class Rollouts:
    rollouts: tuple[RolloutView, ...]
    hidden: int


@dataclass(frozen=True)
class VersionRow:
    record: VersionRecord
    accuracy: str
    created: Moment
    devices: int
    releases: tuple[ReleaseRecord, ...]
    judged: JudgedLine | None


@dataclass(frozen=True)
class ModelView:
    name: str
    owner: str
    task: str
    versions: tuple[VersionRow, ...]
    hidden: int


@dataclass(frozen=True)
class RunRow:
    record: RunRecord
    started: Moment
    took: str
    segments: tuple[Segment, ...]


def moment(at: float, now: float) -> Moment:
    """A time as people say it."""
    text = "now" if now - at < 2 else f"{duration(now - at)} ago"
    return Moment(iso=utc(at, "%Y-%m-%dT%H:%M:%SZ"), full=utc(at, "%Y-%m-%d %H:%M:%S UTC"), text=text)


def is_silent(device: DeviceRecord, now: float, silence_s: float) -> bool:
    """Whether a device was not heard of for so long, nor for a few times as often as it was told to check in."""
    return Seen(at=device.last_seen_at, poll_s=device.poll_s).is_silent(now, silence_s)


def away_after_s(poll_s: float) -> float:
    """How long a device may be silent before the page calls it away, where it was told nothing of its own."""
    return max(AWAY_AFTER_S, POLLS_MISSED * poll_s)


def summary(glance: Glance) -> Summary:
    """The tiles at the top, and the same as one sentence."""
    overview = glance.overview
    known = (_models_tile(overview), _rollouts_tile(overview), _alerts_tile(overview), _waiting_tile(overview))
    tiles = (_devices_tile(glance), *known, *_keys_tiles(overview))
    sentence = "; ".join(f"{tile.label}: {tile.value}" for tile in tiles)
    return Summary(glance.moment(overview.at), tiles, sentence, overview.audit_entries)


def fleet(glance: Glance) -> Fleet:
    """Devices by models."""
    devices = glance.overview.devices[:DEVICES_SHOWN]
    models = tuple(sorted({state.model for device in devices for state in device.models}))
    rows = tuple(_device_row(glance, device, models) for device in devices)
    return Fleet(models, rows, max(0, glance.overview.fleet.devices - len(rows)))


def rollouts(glance: Glance) -> Rollouts:
    """Live rollouts, then the newest others, with their waves."""
    overview = glance.overview
    shown = sorted(overview.rollouts, key=lambda record: record.state.is_ended)[:ROLLOUTS_SHOWN]
    hidden = max(0, sum(overview.rollout_counts.values()) - len(shown))
    return Rollouts(tuple(rollout_view(record, overview.at) for record in shown), hidden)


def rollout_view(record: RolloutRecord, now: float) -> RolloutView:
    """A rollout with its waves."""
    return RolloutView(
        record=record,
        started=moment(record.created_at, now),
        took=duration((record.ended_at or now) - record.created_at),
        waves=tuple(_wave_view(wave, now) for wave in record.waves),
    )


def versions(glance: Glance) -> tuple[ModelView, ...]:
    """Every model with its newest versions, where they run and how far their releases are."""
    overview = glance.overview
    runs_on = {(one.model, one.version): one.devices for one in overview.fleet.running}
    views = []
    for model in overview.models:
        newest = sorted(model.versions, key=lambda record: -record.version)
        rows = tuple(_version_row(glance, record, runs_on) for record in newest[:VERSIONS_SHOWN])
        views.append(ModelView(model.name, model.owner, model.task, rows, max(0, len(newest) - VERSIONS_SHOWN)))
    return tuple(views)


def runs(glance: Glance) -> tuple[RunRow, ...]:
    """The newest durable work."""
    return tuple(_run_row(glance, record) for record in glance.overview.runs[:RUNS_SHOWN])


def _devices_tile(glance: Glance) -> Tile:
    counts = glance.overview.fleet
    waits, doubted = (counts.states.get(state, 0) for state in (DeviceState.WAITING, DeviceState.QUARANTINED))
    told = [f"{waits:,} to approve"] if waits else []
    told += [f"{doubted:,} in quarantine"] if doubted else []
    told += [_away(glance)] if counts.away else []
    active = counts.states.get(DeviceState.ACTIVE, 0)
    detail = ", ".join(told) or ("all answer" if active else "none enrolled")
    tone = "bad" if doubted else "warn" if told else ""
    return Tile("Devices online", f"{active - counts.away:,} of {active:,}", detail, tone, "#fleet")


def _away(glance: Glance) -> str:
    """Who is away by name, where they are few."""
    away = [one.name for one in glance.overview.devices if one.state is DeviceState.ACTIVE and glance.is_away(one)]
    count = glance.overview.fleet.away
    return f"{', '.join(away)} away" if 0 < len(away) == count <= 3 else f"{count:,} away"


def _models_tile(overview: Overview) -> Tile:
    count = sum(len(model.versions) for model in overview.models)
    return Tile("Models", str(len(overview.models)), plural(count, "version"), "", "#versions")


def _rollouts_tile(overview: Overview) -> Tile:
    live = [r for r in overview.rollouts if not r.state.is_ended]
    count = sum(count for state, count in overview.rollout_counts.items() if not RolloutState(state).is_ended)
    detail = ", ".join(record.release for record in live[:3]) or "nothing on its way"
    return Tile("Live rollouts", f"{count:,}", detail, "busy" if live else "", "#rollouts")


def _alerts_tile(overview: Overview) -> Tile:
    alerts = [alert for status in overview.drift for alert in status.alerts if alert.state == "open"]
    names = sorted({f"{alert.model} v{alert.version}" for alert in alerts})
    return Tile("Open alerts", str(len(alerts)), ", ".join(names) or "no drift", "bad" if alerts else "", "/alerts")


def _waiting_tile(overview: Overview) -> Tile:
    drafts = [release for release in overview.releases if release.state is ReleaseState.DRAFT]
    unsigned = sum(len(release.signatures) < release.signatures_needed for release in drafts)
    unapproved = sum(len(release.approvals) < release.approvals_needed for release in drafts)
    detail = f"{unsigned} to sign, {unapproved} to approve" if drafts else "nothing to sign or approve"
    detail += f", {overview.approvals} other approvals" if overview.approvals else ""
    return Tile(
        "Releases waiting", str(len(drafts)), detail, "warn" if drafts or overview.approvals else "", "#versions"
    )


def _keys_tiles(overview: Overview) -> tuple[Tile, ...]:
    """A warning where a signed role will expire, or names keys that this hub has not; else nothing."""
    wrong = [role for role in overview.roles if role.problem]
    if not wrong:
        return ()
    return (Tile("Keys", ", ".join(role.role for role in wrong), wrong[0].problem, "warn", "#versions"),)


def _device_row(glance: Glance, device: DeviceRecord, models: Sequence[str]) -> DeviceRow:
    state_of = {state.model: state for state in device.models}
    is_away = device.state is DeviceState.ACTIVE and glance.is_away(device)
    state = "away" if is_away else "" if device.state is DeviceState.ACTIVE else device.state
    return DeviceRow(
        id=device.id,
        name=device.name,
        labels=tuple(f"{name}={value}" for name, value in sorted(device.labels.items())),
        machine=f"{device.arch}, {plural(device.cores, 'core')}, {size(device.ram_bytes)}",
        seen=glance.moment(device.last_seen_at) if device.last_seen_at else None,
        state=state,
        cells=tuple(cell(state_of[model]) if model in state_of else None for model in models),
        backlog=device.backlog,
    )


def cell(state: DeviceModel) -> Cell:
    """One model on one device."""
    step = "" if state.step == "idle" else state.step
    wanted = state.desired_counter
    word = "" if not wanted else "current" if wanted == state.counter else "behind"
    is_bad = state.counter in state.bad_counters
    return Cell(state.version, state.counter, wanted, step, word, is_bad)


def _wave_view(wave: WaveRecord, now: float) -> WaveView:
    gone = wave.size - wave.committed - wave.failed - wave.waiting - wave.held
    parts = (("ok", wave.committed), ("bad", wave.failed), ("busy", wave.under_way))
    told = [f"{wave.committed:,} of {wave.size:,} committed"]
    others = ((wave.failed, "failed"), (wave.held, "held back"), (gone, "withdrawn"))
    told += [f"{count:,} {word}" for count, word in others if count > 0]
    if wave.state == "running" and wave.waiting:
        told += [f"{wave.under_way:,} at it"] if wave.under_way else []
        told.append(f"{wave.waiting - wave.under_way:,} waiting")
    took = duration((wave.ended_at or now) - wave.started_at) if wave.started_at else ""
    return WaveView(wave, _why(wave, now), segments(wave.size, parts), ", ".join(told), took)


def _why(wave: WaveRecord, now: float) -> str:
    left_s = (wave.committed_at or 0.0) + wave.soak_s - now
    is_soaking = wave.state == "running" and wave.soak_s > 0 and left_s > 0
    told = wave.reason.removesuffix("; it soaks")
    return f"{told}; soaks for {duration(left_s)} more" if is_soaking and wave.committed_at else wave.reason


def _version_row(glance: Glance, record: VersionRecord, runs_on: Mapping[tuple[str, int], int]) -> VersionRow:
    releases, judged = glance.overview.releases, glance.overview.judged
    accuracy = record.metrics.get("accuracy")
    return VersionRow(
        record=record,
        accuracy="" if accuracy is None else f"{accuracy:.3f}",
        created=glance.moment(record.created_at),
        devices=runs_on.get((record.model, record.version), 0),
        releases=tuple(r for r in releases if (r.model, r.version) == (record.model, record.version)),
        judged=next((j for j in judged if (j.model, j.version) == (record.model, record.version)), None),
    )


def _run_row(glance: Glance, record: RunRecord) -> RunRow:
    fraction = 1.0 if record.state is RunState.DONE else record.fraction
    return RunRow(
        record=record,
        started=glance.moment(record.started_at),
        took=duration((record.ended_at or glance.overview.at) - record.started_at),
        segments=segments(1.0, [(tone(record.state), fraction)]),
    )
