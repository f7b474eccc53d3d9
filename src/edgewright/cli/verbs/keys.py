"""`edgewright keys`: who may sign what; changes of it are drafted at the hub and signed here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.keyring import KeysDir, Passphrase, Yes, open_keys
from edgewright.cli.output import DryRun, Json, say, say_done, show_table
from edgewright.cli.verbs import key_listing
from edgewright.cli.verbs.key_changes import carry_out, ceremony, drop, sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgewright.client.keys import HeldKey, OperatorKeys
    from edgewright.contract.api import KeyEdit, PublicKey

app = typer.Typer(no_args_is_help=True)
app.command("ls")(key_listing.list_keys)

Kind = Annotated[str, typer.Option(help="Where a new key shall live: file, pkcs11 or environment.")]
Name = Annotated[str, typer.Option(help="The new key's name on the ring; the next free one by default.")]


@app.command("init")
def init(
    role: Annotated[
        list[str] | None,
        typer.Option(help="Make one key for this role: root, targets, release, model-signing; repeatable."),
    ] = None,
    name: Name = "",
    kind: Kind = "file",
    model: Annotated[str, typer.Option(help="Bind release keys to this model.")] = "",
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make keys on this machine.

    All that a hub needs, or one person's with --role. No hub is asked. Who holds keys gives away
    keyring.json, which is public.
    """
    from edgewright.client.keys import FIRST_KEYS

    ring = open_keys(keys, passphrase)
    made: list[HeldKey] = []
    if not dry_run and role:
        made = [ring.make(one, name=name, kind=kind, model=model) for one in role]
    elif not dry_run:
        ring.create()
        made = list(ring.held())
    show_table(made, key_listing.HELD_COLUMNS, as_json=as_json, empty="")
    if kind == "file" and not passphrase:
        say("WARNING: the key files have no passphrase: whoever reads them can sign; set EDGEWRIGHT_KEYS_PASSPHRASE")
    words = ", ".join(role or [first for first, _ in FIRST_KEYS])
    say_done(f"keys in {ring.folder}: {words}", f"edgewright keys ls --keys {ring.folder}", dry_run=dry_run)


@app.command("add")
def add(
    role: Annotated[str, typer.Argument(help="root, targets or release.")],
    public: Annotated[
        Path | None, typer.Option(help="The keyring.json of somebody else, whose keys for this role are added.")
    ] = None,
    key: Annotated[str, typer.Option(help="A key on this ring, by name, instead of a new one.")] = "",
    model: Annotated[str, typer.Option(help="Only for the releases of this model.")] = "",
    threshold: Annotated[int, typer.Option(help="How many keys must sign from now on; as before by default.")] = 0,
    name: Name = "",
    kind: Kind = "file",
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let one more key sign for a role.

    A new one, one on this ring, or somebody else's.
    """
    from edgewright.contract.api import KeyChangeDraft, KeyEdit

    ring = open_keys(keys, passphrase)
    if public is not None:
        new = key_listing.read_public(public, role)
    elif key:
        new = key_listing.held_public(ring, key)
    else:
        new = (_new_key(ring, role, name=name, kind=kind, model=model, dry_run=dry_run),)
    edit = KeyEdit(role=f"{role}-{model}" if model else role, add=new, threshold=threshold)
    with connect() as client:
        carry_out(client, ring, KeyChangeDraft(edits=(edit,)), yes=yes, dry_run=dry_run, as_json=as_json)


@app.command("rotate")
def rotate(
    what: Annotated[
        str,
        typer.Argument(
            help="A key's name or id, a role, or an online role: timestamp, snapshot, director, audit; online for all."
        ),
    ],
    name: Name = "",
    kind: Kind = "file",
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put a new key in an old one's place.

    Online keys are made by the hub; a new root must name them.
    """
    from edgewright.client.keys.edits import keys_named, kind_of_role, online_named, replacing
    from edgewright.contract.api import KeyChangeDraft

    ring = open_keys(keys, passphrase)
    with connect() as client:
        draft = KeyChangeDraft(online=online_named(what))
        if not draft.online:
            roles = client.keys.roles()
            edits: list[KeyEdit] = []
            for old in keys_named(what, roles, _names(ring)):
                role, model = kind_of_role(old, roles), _model_of(ring, old)
                new = _new_key(ring, role, name=name, kind=kind, model=model, dry_run=dry_run)
                edits += replacing(old, roles, new)
            draft = KeyChangeDraft(edits=_merged(edits))
        carry_out(client, ring, draft, yes=yes, dry_run=dry_run, as_json=as_json)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEYID", help="A key's id, or its name on this ring.")],
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take a key out of every role.

    What it signed before is signed again by those that are left.
    """
    from edgewright.client.keys.edits import keys_named, replacing
    from edgewright.contract.api import KeyChangeDraft

    ring = open_keys(keys, passphrase)
    with connect() as client:
        roles = client.keys.roles()
        edits = [edit for keyid in keys_named(key, roles, _names(ring)) for edit in replacing(keyid, roles)]
        draft = KeyChangeDraft(edits=_merged(edits))
        carry_out(client, ring, draft, yes=yes, dry_run=dry_run, as_json=as_json)


@app.command("renew")
def renew(
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign everything for another year, as it is.

    Root, targets and the release roles of all models.
    """
    from edgewright.contract.api import KeyChangeDraft

    ring = open_keys(keys, passphrase)
    with connect() as client:
        carry_out(client, ring, KeyChangeDraft(renew=True), yes=yes, dry_run=dry_run, as_json=as_json)


app.command("sign")(sign)
app.command("drop")(drop)
app.command("ceremony")(ceremony)


def _new_key(ring: OperatorKeys, role: str, *, name: str, kind: str, dry_run: bool, model: str = "") -> PublicKey:
    """Make a key on the ring; a dry run shows one that is thrown away."""
    from edgewright.client.keys import OperatorKeys

    if not dry_run:
        held = ring.make(role, name=name, kind=kind, model=model)
        say(f"made the key {held.name} ({held.public.keyid[:12]}) in {ring.folder}")
        return held.public
    with tempfile.TemporaryDirectory() as folder:
        return OperatorKeys(Path(folder) / "keys").make(role).public


def _names(ring: OperatorKeys) -> dict[str, str]:
    return {key.public.keyid: key.name for key in ring.held()} if ring.exists else {}


def _model_of(ring: OperatorKeys, keyid: str) -> str:
    """The model to which a key on this ring is bound: its successor is too."""
    held = ring.held() if ring.exists else ()
    return next((key.model for key in held if key.public.keyid == keyid), "")


def _merged(edits: Sequence[KeyEdit]) -> tuple[KeyEdit, ...]:
    """One edit for each role: several keys of a role change together."""
    from edgewright.contract.api import KeyEdit

    roles = dict.fromkeys(edit.role for edit in edits)
    return tuple(
        KeyEdit(
            role=role,
            add=tuple(key for edit in edits if edit.role == role for key in edit.add),
            remove=tuple(keyid for edit in edits if edit.role == role for keyid in edit.remove),
        )
        for role in roles
    )
