"""Which roles there are now, what is wrong with them, and what a change may ask for: pure rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Metadata

from edgewright.contract.api import KeyChangeDraft, PublicKey, RoleRecord
from edgewright.contract.errors import Conflict, InvalidInput, NotFound
from edgewright.contract.keychange import EVERY_RELEASE, ONLINE, Published, new_model_keys
from edgewright.contract.publickey import to_public
from edgewright.contract.trusted import ROLE_PREFIX
from edgewright.hub.registry.model import check_name

MAX_EDITS = 64
MAX_NOTE_CHARS = 500
WARN_DAYS = 60
DAY_S = 86_400.0


class UnknownChange(NotFound):
    code = "unknown_change"
    hint = "`edgewright keys ls` lists the changes that await signatures."


class NothingToChange(Conflict):
    code = "nothing_to_change"
    hint = "`edgewright keys ls` shows the roles as they are."


class ChangeIsClosed(Conflict):
    code = "change_is_closed"
    hint = "Draft a new change."


def check_draft(draft: KeyChangeDraft) -> None:
    """Raise InvalidInput for what no change may ask: the hub alone makes online keys."""
    if len(draft.edits) > MAX_EDITS or len(draft.note) > MAX_NOTE_CHARS:
        raise InvalidInput(f"a change has at most {MAX_EDITS} edits and {MAX_NOTE_CHARS} characters", field="edits")
    for name in draft.online:
        if name not in ONLINE:
            raise InvalidInput(f"'{name}' is no online role; {', '.join(ONLINE)} are", field="online")
    for edit in draft.edits:
        if edit.role.startswith(ROLE_PREFIX):
            check_name(edit.role.removeprefix(ROLE_PREFIX), "edits.role")
        if edit.role in ONLINE:
            hint = "Name it in `online`."
            raise InvalidInput(f"the hub makes the keys of '{edit.role}'", field="edits.role", hint=hint)


def roles_of(
    published: Published, online: Mapping[str, Mapping[str, Key]], held: Mapping[str, Key], now: datetime
) -> list[RoleRecord]:
    """Every role as devices see it. `online`: what the root names; `held`: the keys that this hub has, both by role."""
    if published.root is None or published.targets is None:
        return []
    root, top = published.root, published.targets
    records = [_people_role("root", root, root.signed, now), _people_role("targets", top, root.signed, now)]
    releases = sorted((published.releases or {}).items())
    records += [_people_role(name, metadata, top.signed, now) for name, metadata in releases]
    delegated = (top.signed.delegations.roles if top.signed.delegations else None) or {}
    for name in sorted(set(delegated) - {record.role for record in records}):
        keys = {keyid: top.signed.get_key(keyid) for keyid in delegated[name].keyids}
        records.append(_record(name, 0, delegated[name].threshold, keys))
    keys, threshold = new_model_keys(top.signed)
    records.append(_record(EVERY_RELEASE, 0, threshold, keys))
    return [*records, *(_online_role(name, online[name], held) for name in ONLINE)]


def expires_soon(expires_at: float | None, now: float) -> bool:
    """Whether a role that people sign should be renewed."""
    return expires_at is not None and expires_at - now < WARN_DAYS * DAY_S


def _people_role(name: str, metadata: Metadata[Any], delegator: Any, now: datetime) -> RoleRecord:
    rule = delegator.get_delegated_role(name)
    keys = {keyid: delegator.get_key(keyid) for keyid in rule.keyids}
    expires_at = metadata.signed.expires.timestamp()
    days = int((expires_at - now.timestamp()) // DAY_S)
    told = "has expired" if days < 0 else f"expires in {days} days"
    problem = f"{told}: edgewright keys renew" if expires_soon(expires_at, now.timestamp()) else ""
    return _record(name, metadata.signed.version, rule.threshold, keys, expires_at=expires_at, problem=problem)


def _online_role(name: str, keys: Mapping[str, Key], held: Mapping[str, Key]) -> RoleRecord:
    is_held = held[name].keyid in keys
    problem = "" if is_held else f"this hub's key is not in the root: edgewright keys rotate {name}"
    return _record(name, 0, 1, keys, is_online=True, problem=problem)


def _record(
    name: str,
    version: int,
    threshold: int,
    keys: Mapping[str, Key],
    *,
    is_online: bool = False,
    expires_at: float | None = None,
    problem: str = "",
) -> RoleRecord:
    public: tuple[PublicKey, ...] = tuple(to_public(key) for key in keys.values())
    return RoleRecord(
        role=name,
        version=version,
        threshold=threshold,
        keys=public,
        is_online=is_online,
        expires_at=expires_at,
        problem=problem,
    )
