"""The status page: what is on this device and how it stands, for who sits before it; and the same as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from html import escape

import msgspec

from edgewright.agent.disk import NotEnrolled
from edgewright.agent.gateway.models import Folder
from edgewright.agent.serve.http import Reply, Request, error_reply, json_reply
from edgewright.agent.status import LiveState, ModelStatus, Status, WorkerFacts, amount, read_status, span
from edgewright.agent.status.facts import Clock, Disk
from edgewright.contract.errors import EdgewrightError

HTML = ("content-type", "text/html; charset=utf-8")
GUARDS = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline of pipelines.json: `connect` names inputs of the second and the outputs that they are."""

    name: str
    stages: tuple[str, str]
    connect: dict[str, str]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows. `trouble` says what cannot be read; "" where all is well."""

    at: float
    status: Status | None
    pipelines: tuple[PipelineStatus, ...]
    trouble: str


async def answer(request: Request, folder: Folder) -> Reply:
    """The page, or /status.json."""
    if request.method not in ("GET", "HEAD"):
        return error_reply(405, f"{request.path} takes GET")
    facts = await asyncio.to_thread(gather, folder)
    if request.path == "/status.json":
        reply = json_reply(200, facts)
        return reply._replace(headers=(*reply.headers, *GUARDS))
    return Reply(200, (render(facts).encode(),), (HTML, *GUARDS))


def gather(folder: Folder) -> Facts:
    """What is on this device now; asks the agent, which may take a moment."""
    status, troubles = None, [folder.trouble()]
    try:
        status = read_status(folder.root)
    except NotEnrolled:
        troubles.append("this device is not enrolled yet")
    except (EdgewrightError, OSError) as error:
        troubles.append(str(error))
    if status is not None and status.agent is None:
        troubles.append(f"the agent cannot be asked: {status.agent_note}")
    return Facts(
        at=time.time(),
        status=status,
        pipelines=tuple(
            PipelineStatus(name=name, stages=spec.stages, connect=spec.connect)
            for name, spec in sorted(folder.pipelines().items())
        ),
        trouble="; ".join(filter(None, troubles)),
    )


def render(facts: Facts) -> str:
    """The page as HTML: no script, one column where it is narrow."""
    status = facts.status
    name = status.name if status is not None else "This device"
    workers = {worker.model: worker for worker in status.agent.workers} if status and status.agent else {}
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="trouble" role="alert">{escape(facts.trouble)}</p>' if facts.trouble else "",
        _section("Models", _models(status.models if status is not None else (), workers)),
        _section("Pipelines", "".join(map(_pipeline, facts.pipelines))) if facts.pipelines else "",
        _section("Device", _list(_device(facts))),
        '<p class="also">The same as <a href="/status.json">JSON</a>. Models answer at '
        "<code>/v2/models/NAME/infer</code>.</p>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}: Edgewright</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _models(models: Iterable[ModelStatus], workers: Mapping[str, WorkerFacts]) -> str:
    cards = "".join(_model(model, workers.get(model.model)) for model in models)
    return cards or '<p class="also">No model is installed yet.</p>'


def _model(model: ModelStatus, worker: WorkerFacts | None) -> str:
    told = {"Installed": f"version {model.version}, release {model.counter}" if model.counter else "nothing yet"}
    if worker is not None:
        load = f", {worker.requests} requests, {amount(worker.rss_bytes)}" if worker.pid else ""
        told["Worker"] = f"{worker.phase}{load}" + (f": {worker.reason}" if worker.reason else "")
    if model.candidate_counter:
        share = f", {amount(model.received_bytes)} of {amount(model.full_bytes)} here" if model.full_bytes else ""
        told["Coming"] = f"version {model.candidate_version}, release {model.candidate_counter}: {model.step}{share}"
    if model.last_outcome:
        told["Last install"] = f"release {model.last_outcome_counter}: {model.last_outcome}"
    if model.crashes:
        told["Crashes"] = str(model.crashes)
    if model.rejected:
        told["Refused"] = "; ".join(model.rejected.values())
    word, kind = _state(model, worker)
    return f'<article><h3>{escape(model.model)} <span class="{kind}">{word}</span></h3>{_list(told)}</article>'


def _state(model: ModelStatus, worker: WorkerFacts | None) -> tuple[str, str]:
    if worker is not None and (worker.is_standing_in or (worker.crashes and not worker.pid)):
        return ("standing in", "busy") if worker.is_standing_in else ("failing", "bad")
    if model.candidate_counter:
        return "installing", "busy"
    return ("ready", "good") if model.counter else ("empty", "none")


def _pipeline(pipeline: PipelineStatus) -> str:
    first, second = pipeline.stages
    lines = "; ".join(f"{source} of {first} becomes {name} of {second}" for name, source in pipeline.connect.items())
    told = _list({"Stages": f"{first}, then {second}", "Joint": lines})
    return f"<article><h3>{escape(pipeline.name)}</h3>{told}</article>"


def _device(facts: Facts) -> dict[str, str]:
    told = {"Time here": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(facts.at))}
    status = facts.status
    if status is None:
        return told
    told |= {"Device": status.device, "Hub": status.hub}
    if status.labels:
        told["Labels"] = ", ".join(f"{key}={value}" for key, value in status.labels.items())
    told |= _link(status.agent, facts.at) if status.agent is not None else {}
    told["Waiting for the hub"] = f"{status.backlog} records" if status.backlog else "nothing"
    told |= _disk(status.disk) if status.disk is not None else {}
    told |= _clock(status.clock) if status.clock is not None else {}
    told["Runtimes"] = ", ".join(f"{name} {version}" for name, version in status.runtimes.items()) or "none"
    return told


def _link(live: LiveState, now: float) -> dict[str, str]:
    last = f"answered {span(now - live.contacted_at)} ago" if live.contacted_at else "no answer since the start"
    told = {
        "Link": f"{last}, next check-in in {span(live.next_check_in_s)}",
        "Agent": f"version {live.agent_version}, up {span(now - live.started_at)}, {amount(live.rss_bytes)}",
    }
    if live.budget_bytes:
        told["Budget today"] = f"{amount(live.used_bytes)} of {amount(live.budget_bytes)} used"
    if live.waits:
        told["Has to wait"] = "; ".join(live.waits)
    return told


def _disk(disk: Disk) -> dict[str, str]:
    spool = f"{amount(disk.spool_bytes)} of {amount(disk.spool_max_bytes)}"
    return {
        "Spool": spool,
        "Disk": f"{amount(disk.free_bytes)} of {amount(disk.total_bytes)} free; models {amount(disk.models_bytes)}",
    }


def _clock(clock: Clock) -> dict[str, str]:
    if clock.ahead_s is None:
        return {}
    way = "ahead of" if clock.ahead_s >= 0 else "behind"
    return {"Clock": f"{span(abs(clock.ahead_s))} {way} the hub's at the last talk"}


def _list(told: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in told.items()) + "</dl>"


def _section(title: str, content: str) -> str:
    return f'<section><h2>{title}</h2><div class="cards">{content}</div></section>'


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#566273;--line:#d8dde4;--card:#fff;--back:#f4f6f8;--good:#0b6b3a;
--busy:#8a4b00;--bad:#a1161d}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#a3afbd;--line:#38424f;--card:#1d242d;--back:#12171d;
--good:#6fd39b;--busy:#f0b866;--bad:#ff9a9e}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}h1{font-size:1.6rem;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0 0 .6rem;color:var(--soft);font-weight:600}
h3{font-size:1.05rem;margin:0 0 .5rem;overflow-wrap:anywhere}section{margin:0 0 1.6rem}
.cards{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr))}
article,.cards>dl{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;margin:0}
dl{display:grid;grid-template-columns:minmax(5.5rem,max-content) minmax(0,1fr);gap:.25rem 1rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}a{color:inherit}h3 span{font-size:.85rem}
.good{color:var(--good)}.busy{color:var(--busy)}.bad{color:var(--bad)}.none,.also{color:var(--soft)}
.trouble{border:1px solid var(--bad);color:var(--bad);border-radius:.6rem;padding:.7rem 1rem;margin:0 0 1.2rem}
p{overflow-wrap:anywhere}@media(max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin:0 0 .45rem}}
"""
