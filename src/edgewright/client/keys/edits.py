"""What people mean by adding, rotating and revoking keys, as edits of roles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgewright.contract.api import KeyEdit, PublicKey, RoleRecord
from edgewright.contract.errors import NotFound, UsageError

MIN_KEYID_CHARS = 8
ONLINE = ("timestamp", "snapshot", "director", "audit")


class UnknownKey(NotFound):
    code = "unknown_key"
    hint = "`edgewright keys ls` lists the roles and their keys."


def online_named(what: str) -> tuple[str, ...]:
    """The online roles that a word stands for: one of them, or 'online' for all; none for any other word."""
    return ONLINE if what == "online" else tuple(name for name in ONLINE if name == what)


def keys_named(what: str, roles: Sequence[RoleRecord], held: Mapping[str, str]) -> tuple[str, ...]:
    """The key ids that a word stands for: a key's name here, the beginning of a key id, or a role.

    `held` has the names of the keys on this ring by key id; a role stands for those of its keys that are on it.
    Raises UnknownKey, and UsageError where it could be several.
    """
    people = {key.keyid: role.role for role in roles if not role.is_online for key in role.keys}
    by_name = [keyid for keyid, name in held.items() if name == what and keyid in people]
    if by_name:
        return tuple(by_name)
    by_role = [key.keyid for role in roles if role.role == what for key in role.keys if key.keyid in held]
    if by_role:
        return tuple(by_role)
    begins = [keyid for keyid in people if keyid.startswith(what)] if len(what) >= MIN_KEYID_CHARS else []
    if len(begins) > 1:
        raise UsageError(f"'{what}' begins several key ids", field="key", hint="Write more of it.")
    if not begins:
        raise UnknownKey(f"no role has a key '{what}'", field="key")
    return tuple(begins)


def kind_of_role(keyid: str, roles: Iterable[RoleRecord]) -> str:
    """What a key is for: root, targets or release; raises UnknownKey."""
    for role in roles:
        if any(key.keyid == keyid for key in role.keys):
            return "release" if role.role.startswith("release") else role.role
    raise UnknownKey(f"no role has the key {keyid[:12]}", field="key")


def replacing(keyid: str, roles: Sequence[RoleRecord], new: PublicKey | None = None) -> tuple[KeyEdit, ...]:
    """Take a key out of every role that people sign and that has it, and put `new` in its place, if any is given."""
    found = {role.role for role in roles if not role.is_online and any(key.keyid == keyid for key in role.keys)}
    names = dict.fromkeys("release" if name.startswith("release") else name for name in sorted(found))
    return tuple(KeyEdit(role=name, add=(new,) if new else (), remove=(keyid,)) for name in names)
