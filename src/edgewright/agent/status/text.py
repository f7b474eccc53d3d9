"""A device's status for people, in 80 columns."""

from __future__ import annotations

from edgewright.agent.status.facts import Clock, Disk, LiveState, ModelStatus, Status, WorkerFacts

LABEL = 9


def to_text(status: Status, now: float = 0.0) -> str:
    """The status in lines; `now` (seconds since the epoch) tells how long ago things were."""
    lines = [f"{status.name} ({status.device})", _line("hub", status.hub)]
    lines.append(_line("agent", _agent(status.agent, now) if status.agent else status.agent_note or "not asked"))
    if status.agent:
        lines.append(_line("link", _link(status.agent, now)))
        lines += [_line("refused", status.agent.turned_away)] if status.agent.turned_away else []
        lines += [_line("waits", why) for why in status.agent.waits]
        lines += [_line("measures", status.agent.measures)] if status.agent.measures else []
    lines.append(_line("spool", _spool(status)))
    if status.disk:
        lines.append(_line("disk", _disk(status.disk)))
    if status.clock:
        lines.append(_line("clock", _clock(status.clock, now)))
    lines.append(_line("key", status.key))
    runtimes = ", ".join(f"{name} {version}" for name, version in status.runtimes.items())
    lines.append(_line("runtimes", runtimes or "none"))
    workers = {worker.model: worker for worker in status.agent.workers} if status.agent else {}
    for model in status.models:
        lines += ["", *_model(model, workers.get(model.model))]
    return "\n".join(lines if status.models else [*lines, "", "no models yet"])


def amount(size_bytes: float) -> str:
    """Bytes for people: 12 kB, 3.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 999.5:
            return f"{size_bytes:.0f} {unit}" if size_bytes >= 99.5 or unit == "B" else f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} TB"


def span(seconds: float) -> str:
    """A length of time for people: 40 s, 3 min, 5 h, 12 d."""
    for length, unit in ((172_800, "d"), (7200, "h"), (120, "min")):
        if seconds >= length:
            return f"{seconds / {'d': 86_400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _line(label: str, text: str) -> str:
    return f"  {label:<{LABEL}} {text}"


def _agent(live: LiveState, now: float) -> str:
    since = f", up {span(now - live.started_at)}" if now and live.started_at else ""
    return f"runs as process {live.pid}, version {live.agent_version}, {amount(live.rss_bytes)}{since}"


def _link(live: LiveState, now: float) -> str:
    last = f"hub answered {span(now - live.contacted_at)} ago" if live.contacted_at else "no answer since the start"
    budget = f", {amount(live.used_bytes)} of {amount(live.budget_bytes)} used today" if live.budget_bytes else ""
    return f"{last}, next check-in in {span(live.next_check_in_s)}{budget}"


def _spool(status: Status) -> str:
    waiting = f"{status.backlog} records wait" if status.backlog else "nothing waits"
    disk = status.disk
    return f"{waiting}, {amount(disk.spool_bytes)} of {amount(disk.spool_max_bytes)}" if disk else waiting


def _disk(disk: Disk) -> str:
    parts = {"models": disk.models_bytes, "downloads": disk.staging_bytes, "logs": disk.logs_bytes}
    taken = ", ".join(f"{name} {amount(size_bytes)}" for name, size_bytes in parts.items() if size_bytes)
    return f"{amount(disk.free_bytes)} of {amount(disk.total_bytes)} free" + (f"; {taken}" if taken else "")


def _clock(clock: Clock, now: float) -> str:
    if clock.ahead_s is not None:
        way = "ahead of" if clock.ahead_s >= 0 else "behind"
        return f"{span(abs(clock.ahead_s))} {way} the hub's at the last talk"
    if clock.last_signed and now:
        return f"the hub last signed a time {span(now - clock.last_signed)} ago"
    return "never compared with the hub's"


def _model(model: ModelStatus, worker: WorkerFacts | None) -> list[str]:
    serving = f"version {model.version}, release {model.counter}, slot {model.slot}" if model.counter else "nothing yet"
    lines = [f"{model.model}: {serving}"]
    if model.spare_counter:
        lines.append(_line("spare", f"release {model.spare_counter}"))
    if model.candidate_counter:
        lines.append(_line("coming", _coming(model)))
    if worker:
        lines.append(_line("worker", _worker(worker)))
    if model.last_outcome:
        lines.append(_line("last", f"release {model.last_outcome_counter}: {model.last_outcome.replace('_', ' ')}"))
    if model.crashes:
        lines.append(_line("crashes", f"{model.crashes} within a day"))
    lines += [_line("rejected", f"{sha256[:12]}: {why}") for sha256, why in model.rejected.items()]
    return lines


def _coming(model: ModelStatus) -> str:
    text = f"release {model.candidate_counter}, step {model.step}"
    if model.step == "fetch" and model.full_bytes:
        text += f", {amount(model.received_bytes)} of at most {amount(model.full_bytes)}"
    if model.step in ("trial", "shadow"):
        text += f", {model.tries_left} tries left"
    return text + (f", interrupted {model.interruptions} times" if model.interruptions else "")


def _worker(worker: WorkerFacts) -> str:
    if not worker.pid:
        return worker.phase.replace("_", " ") + (f": {worker.reason}" if worker.reason else "")
    stand_in = ", the spare stands in" if worker.is_standing_in else ""
    crashes = f", {worker.crashes} crashes" if worker.crashes else ""
    return (
        f"{worker.phase.replace('_', ' ')}, process {worker.pid}, {amount(worker.rss_bytes)}, "
        f"{worker.requests} requests{stand_in}{crashes}"
    )
