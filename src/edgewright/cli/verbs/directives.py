"""`edgewright device pin|hold|force|free`: one model on one device, beside every rollout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import release_of
from edgewright.cli.connection import connect
from edgewright.cli.formats import moment
from edgewright.cli.output import Column, DryRun, Json, say_done, show_json, show_table

if TYPE_CHECKING:
    from edgewright.contract.api import Directive, DirectiveDraft

Id = Annotated[str, typer.Argument(metavar="DEVICE", help="A device's id.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Which model.")]
Release = Annotated[str, typer.Argument(metavar="MODEL/COUNTER", help="A release: digits/4.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]


def pin(id: Id, release: Release, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Keep a device on a release.

    It gets the release if it lacks it, and rollouts leave it alone.
    """
    model, counter = release_of(release)
    given = _give(id, _draft(model, "pin", reason, counter), dry_run=dry_run, as_json=as_json)
    say_done(f"{id} stays on {release}", f"edgewright device free {id} {given.model}", dry_run=dry_run)


def hold(id: Id, model: Model, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Keep rollouts of a model away from a device."""
    _give(id, _draft(model, "hold", reason), dry_run=dry_run, as_json=as_json)
    say_done(f"rollouts of {model} leave {id} alone", f"edgewright device free {id} {model}", dry_run=dry_run)


def force(id: Id, release: Release, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Offer a device a release at once.

    It is offered outside of waves, windows and budgets, and also where the device has rolled it back before.
    """
    model, counter = release_of(release)
    _give(id, _draft(model, "force", reason, counter), dry_run=dry_run, as_json=as_json)
    say_done(f"{id} is offered {release}", f"edgewright device show {id}", dry_run=dry_run)


def free(id: Id, model: Model, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Take a pin, a hold or a force back."""
    with connect() as client:
        given = client.devices.free(id, model, dry_run=dry_run)
    if as_json:
        show_json(given)
    say_done(f"rollouts of {model} reach {id} again", dry_run=dry_run)


def directives(
    id: Annotated[str, typer.Argument(metavar="DEVICE", help="Of this device alone.")] = "", as_json: Json = False
) -> None:
    """List what is pinned, held back and forced."""
    with connect() as client:
        found = client.devices.directives(id)
    empty = "Rollouts reach every device: nothing is pinned, held back or forced."
    show_table(found, COLUMNS, as_json=as_json, empty=empty)


def add_to(app: typer.Typer) -> None:
    """Add these verbs to `edgewright device`."""
    for verb in (pin, hold, force, free, directives):
        app.command(verb.__name__)(verb)


COLUMNS: list[Column[Directive]] = [
    ("DEVICE", lambda one: one.device),
    ("WHAT", lambda one: f"{one.kind} {one.model}" + (f"/{one.counter}" if one.counter else "")),
    ("REASON", lambda one: one.reason),
    ("BY", lambda one: f"{one.by}, {moment(one.at)}"),
]


def _draft(model: str, kind: str, reason: str, counter: int = 0) -> DirectiveDraft:
    from edgewright.contract.api import DirectiveDraft, DirectiveKind

    return DirectiveDraft(model=model, kind=DirectiveKind(kind), counter=counter, reason=reason)


def _give(id: str, draft: DirectiveDraft, *, dry_run: bool, as_json: bool) -> Directive:
    with connect() as client:
        given = client.devices.direct(id, draft, dry_run=dry_run)
    if as_json:
        show_json(given)
    return given
