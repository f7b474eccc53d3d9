"""The status page: what is on this device and how it stands, for who sits before it; and the same as JSON."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from html import escape

import msgspec

from edgewright import __version__
from edgewright.agent.disk import NotEnrolled, settings
from edgewright.agent.gateway.models import Folder
from edgewright.agent.serve.http import Reply, Request, error_reply, json_reply
from edgewright.agent.status import ModelStatus, Status, read_status
from edgewright.contract.errors import EdgewrightError

HTML = ("content-type", "text/html; charset=utf-8")
GUARDS = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline of pipelines.json."""

    name: str
    stages: tuple[str, str]
    connect: dict[str, str]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows. `trouble` says what cannot be read; "" where all is well."""

    agent_version: str
    at: float
    status: Status | None
    pipelines: tuple[PipelineStatus, ...]
    disk_free_bytes: int
    disk_total_bytes: int
    spool_bytes: int
    spool_max_bytes: int
    trouble: str


def answer(request: Request, folder: Folder) -> Reply:
    """The page, or /status.json."""
    if request.method not in ("GET", "HEAD"):
        return error_reply(405, f"{request.path} takes GET")
    facts = gather(folder)
    if request.path == "/status.json":
        reply = json_reply(200, facts)
        return reply._replace(headers=(*reply.headers, *GUARDS))
    return Reply(200, (render(facts).encode(),), (HTML, *GUARDS))


def gather(folder: Folder) -> Facts:
    """What is on this device now."""
    status, troubles = None, [folder.trouble()]
    try:
        status = read_status(folder.root)
    except NotEnrolled:
        troubles.append("this device is not enrolled yet")
    except (EdgewrightError, OSError) as error:
        troubles.append(str(error))
    disk = shutil.disk_usage(folder.root)
    return Facts(
        agent_version=__version__,
        at=time.time(),
        status=status,
        pipelines=tuple(
            PipelineStatus(name=name, stages=spec.stages, connect=spec.connect)
            for name, spec in sorted(folder.pipelines().items())
        ),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        spool_bytes=sum(path.stat().st_size for path in (folder.root / "spool").glob("*") if path.is_file()),
        spool_max_bytes=_spool_max_bytes(folder),
        trouble="; ".join(filter(None, troubles)),
    )


def render(facts: Facts) -> str:
    """The page as HTML: no script, one column where it is narrow."""
    status = facts.status
    name = status.name if status is not None else "This device"
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="trouble" role="alert">{escape(facts.trouble)}</p>' if facts.trouble else "",
        _section("Models", _models(status.models if status is not None else ())),
        _section("Pipelines", _pipelines(facts.pipelines)) if facts.pipelines else "",
        _section("Device", _facts(facts)),
        '<p class="also">The same as <a href="/status.json">JSON</a>. Models are asked at '
        "<code>/v2/models/NAME/infer</code>.</p>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}: Edgewright</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _models(models: Iterable[ModelStatus]) -> str:
    rows = "".join(_model(model) for model in models)
    return f"<ul>{rows}</ul>" if rows else "<p>No model is installed yet.</p>"


def _model(model: ModelStatus) -> str:
    serving = f"version {model.version}, release {model.counter}" if model.counter else "nothing installed yet"
    is_busy = bool(model.candidate_counter)
    coming = f"release {model.candidate_counter}: {model.step}" if is_busy else "nothing under way"
    rejected = f"<dt>Refused</dt><dd>{'; '.join(escape(why) for why in model.rejected.values())}</dd>"
    state = '<span class="state busy">installing</span>' if is_busy else '<span class="state">serving</span>'
    state = state if model.counter or is_busy else '<span class="state none">empty</span>'
    return (
        f"<li><h3>{escape(model.model)} {state}</h3><dl><dt>Serves</dt><dd>{serving}</dd>"
        f"<dt>Coming</dt><dd>{escape(coming)}</dd>{rejected if model.rejected else ''}</dl></li>"
    )


def _pipelines(pipelines: Iterable[PipelineStatus]) -> str:
    return "<ul>" + "".join(_pipeline(pipeline) for pipeline in pipelines) + "</ul>"


def _pipeline(pipeline: PipelineStatus) -> str:
    first, second = pipeline.stages
    lines = "; ".join(f"{source} of {first} is {name} of {second}" for name, source in pipeline.connect.items())
    return f"<li><h3>{escape(pipeline.name)}</h3><p>{escape(f'{first}, then {second}: {lines}')}</p></li>"


def _facts(facts: Facts) -> str:
    status = facts.status
    told = {"Time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(facts.at)), "Agent": facts.agent_version}
    if status is not None:
        told |= {"Device": status.device, "Hub": status.hub}
        told |= {"Labels": ", ".join(f"{key}={value}" for key, value in status.labels.items()) or "none"}
        told |= {"Waiting for the hub": f"{status.backlog} records, {_size(facts.spool_bytes)}"}
    told |= {"Disk free": f"{_size(facts.disk_free_bytes)} of {_size(facts.disk_total_bytes)}"}
    return "<dl>" + "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in told.items()) + "</dl>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _spool_max_bytes(folder: Folder) -> int:
    try:
        return settings.load(folder.root).spool_max_bytes
    except EdgewrightError:
        return 0


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#596575;--line:#d8dde4;--card:#fff;--back:#f4f6f8;--good:#0b6b3a;
--busy:#8a4b00;--bad:#a1161d}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#a3afbd;--line:#38424f;--card:#1d242d;--back:#12171d;
--good:#6fd39b;--busy:#f0b866;--bad:#ff9a9e}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}h1{font-size:1.6rem;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0 0 .6rem;color:var(--soft);font-weight:600}h3{font-size:1.05rem;margin:0 0 .4rem}
section{margin:0 0 1.6rem}ul{list-style:none;margin:0;padding:0;display:grid;gap:.8rem;
grid-template-columns:repeat(auto-fill,minmax(min(18rem,100%),1fr))}
li,section>dl{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;margin:0}
li p{margin:0}dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.25rem 1rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}a{color:inherit}
.state{font-size:.85rem;font-weight:600;color:var(--good)}.busy{color:var(--busy)}.none{color:var(--soft)}
.trouble{border:1px solid var(--bad);color:var(--bad);border-radius:.6rem;padding:.7rem 1rem;margin:0 0 1.2rem}
.also{color:var(--soft)}code{overflow-wrap:anywhere}
"""
