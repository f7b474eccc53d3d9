"""`edgewright delta`: deltas between two files on this machine; no hub is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.formats import counted, share, size, words
from edgewright.cli.output import Column, DryRun, Json, console, say_done, show_facts, show_json, show_table
from edgewright.cli.progress import ByteProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgewright.contract.delta import DeltaStats, TensorStats
    from edgewright.contract.delta.outline import Outline

    Tell = Callable[[int, int], None]

app = typer.Typer(no_args_is_help=True)

Base = Annotated[Path, typer.Argument(metavar="BASE", help="The file that is there already.")]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")]
BaseLayout = Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Where the tensors of BASE lie (OpenVINO).")]
NewLayout = Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Where the tensors of NEW lie (OpenVINO).")]
MaxCpu = Annotated[float | None, typer.Option("--max-cpu-s", help="Seconds of CPU after which cheaper ways are taken.")]

TOP = 20


@dataclass(frozen=True)
class Applied:
    """What applying a delta gave."""

    out: str
    sha256: str
    result_bytes: int
    delta_bytes: int


@dataclass(frozen=True)
class Line:
    """A line of the table of bytes; a negative `delta_bytes` or an `entropy_bytes` of 0 says that it is not known."""

    name: str
    element: str
    how: str
    result_bytes: int
    delta_bytes: int
    entropy_bytes: int = 0


@app.command("make")
def make(
    base: Base,
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The file that it shall become.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write the delta.")],
    base_layout: BaseLayout = None,
    new_layout: NewLayout = None,
    max_cpu_s: MaxCpu = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make the delta that turns BASE into NEW, and prove it."""
    from edgewright.contract import delta

    _check_readable({"BASE": base, "NEW": new, "base-layout": base_layout, "new-layout": new_layout})
    _check_free(out, (base, new), force)
    with ByteProgress(f"delta to {new.name}") as tell:
        if dry_run:
            found = delta.stats(
                base, new, base_layout=base_layout, new_layout=new_layout, max_cpu_s=max_cpu_s, tell=tell
            )
        else:
            found = delta.make(
                base, new, out, base_layout=base_layout, new_layout=new_layout, max_cpu_s=max_cpu_s, tell=tell
            )
    show_facts(found, MADE_FACTS, as_json=as_json)
    told = f"{out} holds the delta of {size(found.delta_bytes)}"
    say_done(told, f"edgewright delta apply {base} {out} RESULT", dry_run=dry_run)


@app.command("apply")
def apply(
    base: Base,
    delta: Annotated[Path, typer.Argument(metavar="DELTA", help="The delta.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write what BASE becomes.")],
    max_bytes: Annotated[int, typer.Option(help="Refuse a result of more bytes.", min=0)] = 8 * 1024**3,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Turn BASE into the file that DELTA tells of.

    OUT appears whole, or not at all.
    """
    from edgewright.contract import delta as deltas
    from edgewright.contract.delta.outline import outline

    _check_readable({"BASE": base, "DELTA": delta})
    _check_free(out, (base, delta), force)
    with ByteProgress(f"apply {delta.name}") as tell:
        if dry_run:
            sha256 = _tried(base, delta, max_bytes, tell)
        else:
            sha256 = deltas.apply(base, delta, out, max_result_bytes=max_bytes, tell=tell)
    told = outline(delta)
    applied = Applied(str(out), sha256, told.result_bytes, told.delta_bytes)
    show_facts(applied, APPLIED_FACTS, as_json=as_json)
    say_done(f"{out} holds the result of {size(applied.result_bytes)}", dry_run=dry_run)


@app.command("stats")
def stats(
    base: Annotated[Path, typer.Argument(metavar="BASE|DELTA", help="A file and what it becomes, or a delta.")],
    new: Annotated[Path | None, typer.Argument(metavar="NEW")] = None,
    base_layout: BaseLayout = None,
    new_layout: NewLayout = None,
    top: Annotated[int, typer.Option(help="How many tensors to show; 0 for all.", min=0)] = TOP,
    as_json: Json = False,
) -> None:
    """Show where the bytes of a delta go.

    Of two files: tensor by tensor, against the entropy limit, largest first. Of a delta alone: by operation.
    """
    from edgewright.contract import delta
    from edgewright.contract.delta.outline import outline

    _check_readable({"BASE": base, "NEW": new, "base-layout": base_layout, "new-layout": new_layout})
    if new is None:
        _show_outline(outline(base), as_json=as_json)
        return
    with ByteProgress(f"delta to {new.name}") as tell:
        found = delta.stats(base, new, base_layout=base_layout, new_layout=new_layout, tell=tell)
    if as_json:
        show_json(found)
        return
    show_table(lines_of(found, top), STATS_COLUMNS, as_json=False, empty="")
    console().print()
    show_facts(found, MADE_FACTS, as_json=False)


def lines_of(stats: DeltaStats, top: int) -> list[Line]:
    """The `top` largest tensors by what they cost (0: all), the rest in a line, what is no tensor, and the total."""
    ordered = sorted(stats.tensors, key=lambda one: (-one.delta_bytes, -one.result_bytes, one.name))
    shown, rest = (ordered[:top], ordered[top:]) if top else (ordered, [])
    lines = [_line(tensor) for tensor in shown]
    if rest:
        lines.append(_sum(counted(len(rest), "more tensor"), rest))
    tensors = _sum("", stats.tensors)
    others = stats.delta_bytes - tensors.delta_bytes
    lines.append(Line("outside tensors", "", "", stats.result_bytes - tensors.result_bytes, others))
    entropy = tensors.entropy_bytes + others if tensors.entropy_bytes else 0
    return [*lines, Line("total", "", "", stats.result_bytes, stats.delta_bytes, entropy)]


def _show_outline(outline: Outline, *, as_json: bool) -> None:
    if as_json:
        show_json(outline)
        return
    rows = [Line(str(one.operation), "", str(one.count), one.result_bytes, -1) for one in outline.operations]
    show_table(rows, OUTLINE_COLUMNS, as_json=False, empty="This delta makes an empty file.")
    console().print()
    show_facts(outline, OUTLINE_FACTS, as_json=False)


def _line(tensor: TensorStats) -> Line:
    how = words(filter(None, (str(tensor.operation), tensor.prediction)))
    return Line(tensor.name, tensor.element, how, tensor.result_bytes, tensor.delta_bytes, tensor.entropy_bytes)


def _sum(name: str, tensors: tuple[TensorStats, ...] | list[TensorStats]) -> Line:
    return Line(
        name,
        "",
        "",
        sum(tensor.result_bytes for tensor in tensors),
        sum(tensor.delta_bytes for tensor in tensors),
        sum(tensor.entropy_bytes for tensor in tensors),
    )


def _tried(base: Path, delta: Path, max_bytes: int, tell: Tell) -> str:
    """Apply without writing anything, and return the digest that the result would have."""
    from edgewright.contract.delta.applier import apply_sources
    from edgewright.contract.delta.source import opened

    with opened(base) as base_source, opened(delta) as delta_source:
        return apply_sources(base_source, delta_source, len, max_result_bytes=max_bytes, tell=tell)


def _check_readable(files: dict[str, Path | None]) -> None:
    from edgewright.contract.errors import NotFound

    for field, path in files.items():
        if path is not None and not path.is_file():
            raise NotFound(f"there is no file {path}", field=field)


def _check_free(out: Path, inputs: tuple[Path, ...], force: bool) -> None:
    """Nothing is lost: OUT is none of the inputs, and is replaced only by `--force`."""
    from edgewright.contract.errors import Conflict, InvalidInput, NotFound

    if not out.parent.is_dir():
        raise NotFound(f"there is no folder {out.parent}", field="OUT")
    if not out.exists():
        return
    if out.is_dir() or any(out.samefile(path) for path in inputs):
        raise InvalidInput(f"{out} is a folder, or one of the files to read", field="OUT")
    if not force:
        raise Conflict(f"{out} exists already", field="OUT", hint="Choose another name, or replace it with --force.")


def _limit(line: Line) -> str:
    """How many times the entropy limit a part costs."""
    return f"{line.delta_bytes / line.entropy_bytes:.2f}×" if line.entropy_bytes else ""


def _became(stats: DeltaStats) -> str:
    counts = {
        "copied": stats.tensors_copied,
        "changed": stats.tensors_changed,
        "grouped": stats.tensors_grouped,
        "raw": stats.tensors_raw,
    }
    return words(f"{count} {how}" for how, count in counts.items() if count)


STATS_COLUMNS: list[Column[Line]] = [
    ("TENSOR", lambda one: one.name),
    ("TYPE", lambda one: one.element),
    ("HOW", lambda one: one.how),
    ("SIZE>", lambda one: size(one.result_bytes)),
    ("DELTA>", lambda one: size(one.delta_bytes)),
    ("SHARE>", lambda one: share(one.delta_bytes / one.result_bytes) if one.result_bytes else ""),
    ("LIMIT>", _limit),
]

OUTLINE_COLUMNS: list[Column[Line]] = [
    ("OPERATION", lambda one: one.name),
    ("TIMES>", lambda one: one.how),
    ("MAKES>", lambda one: size(one.result_bytes)),
]

MADE_FACTS: list[Column[DeltaStats]] = [
    ("delta", lambda one: f"{size(one.delta_bytes)}, {share(one.delta_bytes / max(1, one.result_bytes))} of the file"),
    ("base", lambda one: size(one.base_bytes)),
    ("result", lambda one: size(one.result_bytes)),
    ("tensors", _became),
    ("script", lambda one: size(one.script_bytes)),
    ("literals", lambda one: size(one.literal_bytes)),
    ("payload", lambda one: size(one.payload_bytes)),
    ("made in", lambda one: f"{one.cpu_s:.1f} s of CPU" + (", cut short" if one.is_cheapened else "")),
]

APPLIED_FACTS: list[Column[Applied]] = [
    ("result", lambda one: one.out),
    ("sha256", lambda one: one.sha256),
    ("size", lambda one: size(one.result_bytes)),
    ("delta", lambda one: size(one.delta_bytes)),
]

OUTLINE_FACTS: list[Column[Outline]] = [
    ("delta", lambda one: size(one.delta_bytes)),
    ("base", lambda one: f"{size(one.base_bytes)}, sha256 {one.base_sha256}"),
    ("result", lambda one: f"{size(one.result_bytes)}, sha256 {one.result_sha256}"),
    ("script", lambda one: size(one.script_bytes)),
    ("literals", lambda one: size(one.literal_bytes)),
    ("payload", lambda one: size(one.payload_bytes)),
]
