"""What a change of keys makes of root, targets and release roles: the next metadata of each, for people to sign. Pure.

Hub and operator draft with the same rules. A role that the change leaves signed by too few under the new rules is
drafted with it, so that devices never see the one without the other (TUF 1.0, §6.1).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from securesystemslib.signer import Key, Signature
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Role, Root, Targets

from edgewright.contract.api.keys import KeyEdit
from edgewright.contract.api.releases import SignatureDraft, SigningPayload
from edgewright.contract.errors import InvalidInput
from edgewright.contract.publickey import to_key
from edgewright.contract.trusted import ONLINE_FIELD, RELEASE_FIELD, ROLE_PREFIX

LIFETIME = timedelta(days=365)
ROOT_THRESHOLD = 2
EVERY_RELEASE = "release"
DELEGATED_ONLINE = ("timestamp", "snapshot")
NAMED_ONLINE = ("director", "audit")
ONLINE = (*DELEGATED_ONLINE, *NAMED_ONLINE)
MAX_KEYS = 16

S = TypeVar("S", Root, Targets)


class TooFewKeys(InvalidInput):
    code = "too_few_keys"
    hint = "Add a key first, or lower the threshold with --threshold."


@dataclass(frozen=True)
class Published:
    """What devices follow now; nothing of it before the ceremony. `releases` is by role."""

    root: Metadata[Root] | None = None
    targets: Metadata[Targets] | None = None
    releases: Mapping[str, Metadata[Targets]] | None = None


def draft_change(
    published: Published, edits: Iterable[KeyEdit], now: datetime, *, renew: bool = False
) -> tuple[SigningPayload, ...]:
    """What people must sign to bring about `edits`: root, then targets, then release roles, each if it changes.

    Edits of online roles name the hub's new keys. With `renew` all of them are drafted for another year. Nothing is
    returned where everything is so already. Raises InvalidInput, TooFewKeys.
    """
    wanted = list(edits)
    root = _next_root(published, [edit for edit in wanted if not _is_release(edit.role)], now, renew)
    ruling = root or (published.root.signed if published.root else None)
    if ruling is None:
        raise InvalidInput("the first change names the keys of the root", field="edits")
    top = _next_targets(published, ruling, [edit for edit in wanted if _is_release(edit.role)], now, renew)
    payloads = [_root_payload(root, published.root)] if root else []
    if top:
        payloads.append(to_payload("targets", top, ruling.roles["targets"], _rule(published.root, "targets")))
    delegator = top or (published.targets.signed if published.targets else None)
    for role, metadata in sorted((published.releases or {}).items()):
        if delegator is not None and (renew or not _is_vouched(delegator, role, metadata)):
            before = _rule(published.targets, role)
            fresh = _next(metadata.signed, now)
            payloads.append(to_payload(role, fresh, delegator.get_delegated_role(role), before))
    return tuple(payloads)


def to_payload(role: str, signed: S, rule: Role, before: Role | None = None) -> SigningPayload:
    """The exact bytes to sign. `rule` counts; the keys of the rule `before` may sign too, for who still goes by it."""
    old: list[str] = before.keyids if before else []
    return SigningPayload(
        role=role,
        version=signed.version,
        signed=Metadata(signed).signed_bytes,
        keyids=tuple(dict.fromkeys([*rule.keyids, *old])),
        threshold=rule.threshold,
    )


def assemble(payload: SigningPayload, signatures: Iterable[SignatureDraft]) -> bytes:
    """The metadata file: the payload and the signatures over it."""
    by_key = {draft.keyid: Signature(draft.keyid, draft.signature) for draft in signatures}
    signed = json.loads(payload.signed, strict=False)
    if payload.role == "root":
        return Metadata(Root.from_dict(signed), by_key).to_bytes()
    return Metadata(Targets.from_dict(signed), by_key).to_bytes()


def delegate(top: Targets, model: str, keys: Mapping[str, Key], threshold: int) -> None:
    """Let `keys` release `model`, in place."""
    role = DelegatedRole(
        name=f"{ROLE_PREFIX}{model}",
        keyids=sorted(keys),
        threshold=threshold,
        terminating=True,
        paths=[f"{model}/*/*"],
    )
    old = top.delegations or Delegations({}, {})
    top.delegations = Delegations({**old.keys, **keys}, {**(old.roles or {}), role.name: role})


def new_model_keys(top: Targets) -> tuple[dict[str, Key], int]:
    """The keys with which new models begin, and how many of them must sign."""
    names = top.unrecognized_fields[RELEASE_FIELD]
    keys = {keyid: Key.from_dict(keyid, copy.deepcopy(key)) for keyid, key in names["keys"].items()}
    return keys, names["threshold"]


def _next_root(published: Published, edits: list[KeyEdit], now: datetime, renew: bool) -> Root | None:
    before = published.root.signed if published.root else None
    root = copy.deepcopy(before) if before else _first_root(now)
    for edit in edits:
        _edit_root(root, edit)
    for name, role in root.roles.items():
        _check_counts(name, len(role.keyids), role.threshold)
    for name in NAMED_ONLINE:
        _check_counts(name, len(root.unrecognized_fields[ONLINE_FIELD][name]), 1)
    if before is not None and root == before and not renew:
        return None
    root.version, root.expires = (before.version + 1 if before else 1), now + LIFETIME
    return root


def _first_root(now: datetime) -> Root:
    root = Root(version=1, expires=now + LIFETIME, consistent_snapshot=True)
    root.roles["root"].threshold = ROOT_THRESHOLD
    root.unrecognized_fields[ONLINE_FIELD] = {name: {} for name in NAMED_ONLINE}
    return root


def _edit_root(root: Root, edit: KeyEdit) -> None:
    if edit.role in NAMED_ONLINE:
        keys = root.unrecognized_fields[ONLINE_FIELD][edit.role]
        _check_removed(edit, keys)
        root.unrecognized_fields[ONLINE_FIELD][edit.role] = _edited(edit, keys)
        return
    if edit.role not in root.roles:
        raise InvalidInput(f"there is no role '{edit.role}'", field="edits.role")
    _check_removed(edit, root.roles[edit.role].keyids)
    for public in edit.add:
        root.add_key(to_key(public), edit.role)
    for keyid in edit.remove:
        root.revoke_key(keyid, edit.role)
    root.roles[edit.role].threshold = edit.threshold or root.roles[edit.role].threshold


def _next_targets(
    published: Published, ruling: Root, edits: list[KeyEdit], now: datetime, renew: bool
) -> Targets | None:
    before = published.targets
    top = copy.deepcopy(before.signed) if before else _first_targets(now)
    for edit in edits:
        _edit_targets(top, edit)
    is_same = before is not None and top == before.signed
    if before is not None and is_same and not renew and _is_vouched(ruling, "targets", before):
        return None
    top.version, top.expires = (before.signed.version + 1 if before else 1), now + LIFETIME
    return top


def _first_targets(now: datetime) -> Targets:
    targets = Targets(version=1, expires=now + LIFETIME, delegations=Delegations({}, {}))
    targets.unrecognized_fields[RELEASE_FIELD] = {"threshold": 1, "keys": {}}
    return targets


def _edit_targets(top: Targets, edit: KeyEdit) -> None:
    """One model's delegation, or all of them and what new models begin with."""
    roles = _roles(top)
    names = [edit.role]
    if edit.role == EVERY_RELEASE:
        names = [name for name, role in roles.items() if _concerns(edit, role.keyids)]
        _edit_new_models(top, edit, {keyid for role in roles.values() for keyid in role.keyids})
    elif edit.role not in roles:
        delegate(top, edit.role.removeprefix(ROLE_PREFIX), *new_model_keys(top))
    for name in names:
        _edit_delegation(top, name, edit)
    used = {keyid for role in _roles(top).values() for keyid in role.keyids}
    if top.delegations is not None:
        top.delegations.keys = {keyid: key for keyid, key in top.delegations.keys.items() if keyid in used}


def _edit_new_models(top: Targets, edit: KeyEdit, delegated: set[str]) -> None:
    keys, threshold = new_model_keys(top)
    _check_removed(edit, {*keys, *delegated})
    if not _concerns(edit, keys):
        return
    facts = {keyid: key.to_dict() for keyid, key in keys.items()}
    edited, needed = _edited(edit, facts), edit.threshold or threshold
    _check_counts(EVERY_RELEASE, len(edited), needed)
    top.unrecognized_fields[RELEASE_FIELD] = {"threshold": needed, "keys": edited}


def _edit_delegation(top: Targets, name: str, edit: KeyEdit) -> None:
    role = _roles(top)[name]
    if edit.role != EVERY_RELEASE:
        _check_removed(edit, role.keyids)
    keys = {keyid: top.get_key(keyid) for keyid in role.keyids if keyid not in edit.remove}
    keys |= {public.keyid: to_key(public) for public in edit.add}
    _check_counts(name, len(keys), edit.threshold or role.threshold)
    delegate(top, name.removeprefix(ROLE_PREFIX), keys, edit.threshold or role.threshold)


def _concerns(edit: KeyEdit, held: Iterable[str]) -> bool:
    """A key that takes another's place does so where that one was, and gets no say elsewhere."""
    return not edit.remove or not set(edit.remove).isdisjoint(held)


def _roles(top: Targets) -> dict[str, DelegatedRole]:
    return (top.delegations.roles if top.delegations else None) or {}


def _edited(edit: KeyEdit, keys: Mapping[str, Any]) -> dict[str, Any]:
    kept = {keyid: key for keyid, key in keys.items() if keyid not in edit.remove}
    return kept | {public.keyid: to_key(public).to_dict() for public in edit.add}


def _root_payload(root: Root, before: Metadata[Root] | None) -> SigningPayload:
    """5.3.4: the old root's keys vouch for the new one, and so do its own."""
    rule = root.roles["root"]
    old = _rule(before, "root")
    payload = to_payload("root", root, rule, old)
    most = max(rule.threshold, old.threshold if old else 0)
    return msgspec.structs.replace(payload, threshold=most)


def _next(targets: Targets, now: datetime) -> Targets:
    fresh = copy.deepcopy(targets)
    fresh.version, fresh.expires = targets.version + 1, now + LIFETIME
    return fresh


def _rule(delegator: Metadata[Any] | None, role: str) -> Role | None:
    if delegator is None:
        return None
    try:
        found: Role = delegator.signed.get_delegated_role(role)
    except ValueError:
        return None
    return found


def _is_vouched(delegator: Root | Targets, role: str, metadata: Metadata[Targets]) -> bool:
    """Whether the signatures that a published file carries are enough under the new rules too."""
    return bool(delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures))


def _is_release(role: str) -> bool:
    return role == EVERY_RELEASE or role.startswith(ROLE_PREFIX)


def _check_removed(edit: KeyEdit, held: Iterable[str]) -> None:
    strangers = set(edit.remove) - set(held)
    if strangers:
        raise InvalidInput(f"{edit.role} has no key {min(strangers)[:12]} to remove", field="edits.remove")


def _check_counts(name: str, keys: int, threshold: int) -> None:
    if not 1 <= threshold <= keys:
        raise TooFewKeys(f"{name} would have {keys} keys, of which {threshold} must sign", field="edits")
    if keys > MAX_KEYS:
        raise InvalidInput(f"{name} would have {keys} keys; {MAX_KEYS} are enough", field="edits")
