"""`edgewright keys sign|drop|ceremony`: changes of keys on their way from a draft to what devices follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.arguments import read_json
from edgewright.cli.connection import connect
from edgewright.cli.formats import moment, short, words
from edgewright.cli.keyring import KeysDir, Passphrase, Yes, may_sign, open_keys, tell_payloads
from edgewright.cli.output import Column, DryRun, Json, say, say_done, say_next, show_facts

if TYPE_CHECKING:
    from edgewright.client import Client
    from edgewright.client.keys import OperatorKeys
    from edgewright.contract.api import KeyChangeDraft, KeyChangeRecord, RoleSigning

Number = Annotated[int, typer.Argument(metavar="CHANGE", help="The number of a change: see `edgewright keys ls`.")]


def sign(
    change: Number,
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign a change that somebody drafted."""
    from edgewright.client.resources.keys import sign_change

    ring = open_keys(keys, passphrase)
    with connect() as client:
        request = client.keys.signing_request(change)
        tell_payloads(ring, request.payloads)
        record = request.change
        if not dry_run and may_sign(yes):
            record = client.keys.add_signatures(change, sign_change(request, ring))
    show_facts(record, CHANGE_FACTS, as_json=as_json)
    _tell_state(record, dry_run=dry_run)


def drop(change: Number, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Withdraw a change that is not published yet."""
    with connect() as client:
        record = client.keys.drop(change, dry_run=dry_run)
    show_facts(record, CHANGE_FACTS, as_json=as_json)
    say_done(f"change {change} is withdrawn", dry_run=dry_run)


def ceremony(
    change: Annotated[int | None, typer.Argument(metavar="[CHANGE]", help="A change that was drafted.")] = None,
    ring: Annotated[
        list[Path] | None,
        typer.Option(help="The keyring.json of one who takes part: drafts a hub's first root; repeatable."),
    ] = None,
    release_threshold: Annotated[int, typer.Option(help="How many release keys must sign; with --ring.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Write what has to be signed to this file.")] = None,
    sign_file: Annotated[Path | None, typer.Option("--sign", help="Sign what is in this file; asks no hub.")] = None,
    publish: Annotated[Path | None, typer.Option(help="Hand the signatures in this file in.")] = None,
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign a root together, each on a machine of his own.

    The draft travels as a file: --out at the hub, --sign where the keys are, --publish at the hub again.
    """
    from edgewright.contract.errors import UsageError

    if sign_file is not None:
        record = _sign_file(sign_file, open_keys(keys, passphrase), yes=yes, dry_run=dry_run)
    elif publish is not None:
        record = _publish_file(publish, dry_run=dry_run)
    elif change is not None or ring:
        record = _draft_file(change, ring or [], release_threshold, out, dry_run=dry_run)
    else:
        hint = "edgewright keys ceremony CHANGE --out FILE, --sign FILE, --publish FILE, or --ring FILE… at first."
        raise UsageError("it is not said what to do", field="ceremony", hint=hint)
    show_facts(record, CHANGE_FACTS, as_json=as_json)


def carry_out(
    client: Client, ring: OperatorKeys, draft: KeyChangeDraft, *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Draft a change, say what would be signed, and sign it with the keys that are here, if that is wanted."""
    from edgewright.client.resources.keys import sign_change

    request = client.keys.draft(draft, dry_run=dry_run)
    tell_payloads(ring, request.payloads)
    record = request.change
    if not dry_run and may_sign(yes):
        record = client.keys.add_signatures(record.number, sign_change(request, ring))
    show_facts(record, CHANGE_FACTS, as_json=as_json)
    _tell_state(record, dry_run=dry_run)


def _draft_file(
    change: int | None, rings: list[Path], threshold: int, out: Path | None, *, dry_run: bool
) -> KeyChangeRecord:
    from edgewright.cli.verbs.key_listing import read_ring_file
    from edgewright.client.keys import Ceremony, first_edits, write_ceremony
    from edgewright.client.keys.edits import ONLINE
    from edgewright.contract.api import KeyChangeDraft

    with connect() as client:
        if change is not None:
            request = client.keys.signing_request(change)
        else:
            held = [key for path in rings for key in read_ring_file(path).keys]
            edits = first_edits(held, {}, release_threshold=threshold)
            request = client.keys.draft(KeyChangeDraft(edits=edits, online=ONLINE), dry_run=dry_run)
    number = request.change.number
    if out is None:
        say_next(f"edgewright keys sign {number}", f"edgewright keys ceremony {number} --out draft.json")
    else:
        if not dry_run:
            write_ceremony(out, Ceremony(request=request))
        say_done(f"{out} has what to sign", f"edgewright keys ceremony --sign {out}", dry_run=dry_run)
    return request.change


def _sign_file(path: Path, ring: OperatorKeys, *, yes: bool, dry_run: bool) -> KeyChangeRecord:
    from edgewright.client.keys import Ceremony, write_ceremony
    from edgewright.client.resources.keys import sign_change

    found = read_json(path, Ceremony, "sign")
    tell_payloads(ring, found.request.payloads)
    if not dry_run and may_sign(yes):
        found = found.with_signatures(sign_change(found.request, ring))
        write_ceremony(path, found)
    signed = words(sorted({short(draft.keyid) for draft in found.signatures}), "nobody")
    say_done(f"{path} is signed by {signed}", f"edgewright keys ceremony --publish {path}", dry_run=dry_run)
    return found.request.change


def _publish_file(path: Path, *, dry_run: bool) -> KeyChangeRecord:
    from edgewright.client.keys import Ceremony

    found = read_json(path, Ceremony, "publish")
    with connect() as client:
        record = client.keys.add_signatures(found.request.change.number, found.signatures, dry_run=dry_run)
    _tell_state(record, dry_run=dry_run)
    return record


def _tell_state(record: KeyChangeRecord, *, dry_run: bool) -> None:
    if dry_run:
        say("dry run, nothing was changed; without it the change is drafted, and signed with the keys that are here")
    elif record.state == "published":
        say(f"change {record.number} is published; devices follow it at their next check-in")
    else:
        say(f"change {record.number} waits for signatures")
        say_next(f"edgewright keys sign {record.number}  # where the other keys are")


def _piece(piece: RoleSigning) -> str:
    state = f"lacks {piece.missing}" if piece.missing else "signed"
    return f"{piece.role} version {piece.version}: {state}"


CHANGE_FACTS: list[Column[KeyChangeRecord]] = [
    ("change", lambda one: str(one.number)),
    ("state", lambda one: str(one.state)),
    ("roles", lambda one: words([*(edit.role for edit in one.edits), *one.online], "everything, renewed")),
    ("metadata", lambda one: "\n".join(map(_piece, one.pieces))),
    ("by", lambda one: f"{one.author}, {moment(one.created_at)}"),
]
