"""`edgewright bundle`: releases for devices that no network reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli.arguments import release_of, seconds_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import counted, moment, size
from edgewright.cli.output import DryRun, Json, say, say_done, show_json
from edgewright.cli.progress import UploadProgress

app = typer.Typer(no_args_is_help=True)


@app.callback()
def bundle() -> None:
    """Releases for devices that no network reaches."""


@app.command("export")
def export(
    words: Annotated[list[str], typer.Argument(metavar="MODEL/COUNTER… OUT", help="Releases, and a folder.")],
    device: Annotated[list[str] | None, typer.Option(help="A device's id; repeatable.")] = None,
    group: Annotated[str, typer.Option(help="All devices of a group.")] = "",
    target: Annotated[str, typer.Option(help="One target for all; by device by default.")] = "",
    base: Annotated[list[str] | None, typer.Option(help="A release that the devices hold; repeatable.")] = None,
    good_for: Annotated[str, typer.Option(help="How long the orders are good.")] = "14d",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write a bundle for devices without a network.

    They check it as what comes over the air. The orders in it are for them alone, and end when they have had a newer
    one.
    """
    from edgewright.contract.api import CarryDraft
    from edgewright.contract.errors import UsageError

    *releases, out = words
    if not releases:
        raise UsageError(
            "a bundle needs a release and a folder", field="words", hint="bundle export digits/4 /media/stick"
        )
    for name in (*releases, *(base or ())):
        release_of(name)
    draft = CarryDraft(
        releases=tuple(releases),
        devices=tuple(device or ()),
        group=group,
        target=target,
        bases=tuple(base or ()),
        ttl_s=seconds_of(good_for, "good-for"),
    )
    with connect() as client:
        record = client.bundles.export(draft, dry_run=dry_run)
        if not dry_run:
            with UploadProgress("in the bundle") as progress:
                client.bundles.write(record, Path(out), progress)
    if as_json:
        facts = {"devices": sorted(record.orders), "skipped": record.skipped, "size_bytes": record.size_bytes}
        show_json({"out": out, "releases": record.releases, "expires_at": record.expires_at, **facts})
    for id, why in record.skipped.items():
        say(f"left out {id}: {why}")
    whom, until = counted(len(record.orders), "device"), moment(record.expires_at)
    next_step = f"edgewright-agent bundle import {out} --dir DIR"
    what = f"{', '.join(releases)} for {whom}, {size(record.size_bytes)}, good until {until}"
    say_done(f"{out} holds {what}", next_step, dry_run=dry_run)
