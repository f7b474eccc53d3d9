"""`edgewright keys ls`: the keys on this ring, the roles that devices believe, and the changes under way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli.connection import connect
from edgewright.cli.formats import short, words
from edgewright.cli.keyring import KeysDir, Passphrase, open_keys
from edgewright.cli.output import Column, Json, say, show_json, show_table

if TYPE_CHECKING:
    from edgewright.client.keys import HeldKey, KeyRing, OperatorKeys
    from edgewright.contract.api import KeyChangeRecord, PublicKey, RoleRecord


def list_keys(
    is_offline: Annotated[bool, typer.Option("--offline", help="Only the ring on this machine; asks no hub.")] = False,
    keys: KeysDir = None,
    passphrase: Passphrase = "",
    as_json: Json = False,
) -> None:
    """List the keys here, the hub's roles, and what awaits signatures."""
    from edgewright.client.keys import MODEL_SIGNING

    ring = open_keys(keys, passphrase)
    held = ring.held() if ring.exists else ()
    roles: tuple[RoleRecord, ...] = ()
    changes: tuple[KeyChangeRecord, ...] = ()
    if not is_offline:
        with connect() as client:
            roles = client.keys.roles()
            changes = tuple(one for one in client.keys.changes() if one.state == "draft")
    if as_json:
        show_json({"keys": held, "roles": roles, "changes": changes})
        return
    show_table(held, HELD_COLUMNS, as_json=False, empty=f"No keys in {ring.folder}.")
    names = {key.public.keyid: key.name for key in held}
    if roles:
        typer.echo()
        show_table(roles, _role_columns(names), as_json=False, empty="")
    used = {key.keyid for role in roles for key in role.keys}
    idle = words(key.name for key in held if roles and key.role != MODEL_SIGNING and key.public.keyid not in used)
    if idle:
        say(f"no role has the keys {idle}: they sign nothing")
    for role in roles:
        if role.problem:
            say(f"WARNING: {role.role}: {role.problem}")
    for change in changes:
        lacks = words(f"{piece.role}: {piece.missing}" for piece in change.pieces if piece.missing)
        say(f"change {change.number} by {change.author} lacks {lacks}; edgewright keys sign {change.number}")


def read_ring_file(path: Path) -> KeyRing:
    """A keyring.json that somebody gave away, or the folder that holds one."""
    from edgewright.cli.arguments import read_json
    from edgewright.client.keys import RING_FILE, KeyRing

    return read_json(path / RING_FILE if path.is_dir() else path, KeyRing, "public")


def read_public(path: Path, role: str) -> tuple[PublicKey, ...]:
    """Somebody's public keys for a role; raises InvalidInput where there are none."""
    from edgewright.contract.errors import InvalidInput

    found = tuple(key.public for key in read_ring_file(path).keys if key.role == role)
    if not found:
        raise InvalidInput(f"{path} holds no key for '{role}'", field="public")
    return found


def held_public(ring: OperatorKeys, name: str) -> tuple[PublicKey, ...]:
    """The public half of a key on this ring; raises UnknownKey."""
    from edgewright.client.keys.edits import UnknownKey

    found = tuple(key.public for key in ring.held() if key.name == name)
    if not found:
        raise UnknownKey(f"the ring in {ring.folder} has no key '{name}'", field="key")
    return found


HELD_COLUMNS: list[Column[HeldKey]] = [
    ("KEY", lambda one: one.name),
    ("FOR", lambda one: f"{one.role} {one.model}".rstrip()),
    ("KEY ID", lambda one: short(one.public.keyid)),
    ("SCHEME", lambda one: one.public.scheme),
    ("LIVES IN", lambda one: f"{one.kind} {one.place}"),
]


def _role_columns(names: dict[str, str]) -> list[Column[RoleRecord]]:
    return [
        ("ROLE", lambda one: one.role),
        ("SIGN", lambda one: f"{one.threshold} of {len(one.keys)}"),
        ("KEYS", lambda one: words(names.get(key.keyid, short(key.keyid)) for key in one.keys)),
        ("VERSION>", lambda one: str(one.version or "")),
        ("EXPIRES", lambda one: time.strftime("%Y-%m-%d", time.gmtime(one.expires_at)) if one.expires_at else ""),
    ]
