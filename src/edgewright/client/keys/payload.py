"""What a hub asks to have signed: whether it is what it says, and what it changes, in sentences. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Root, Targets

from edgewright.contract.api import SigningPayload
from edgewright.contract.errors import HostileInput
from edgewright.contract.keychange import LIFETIME
from edgewright.contract.publickey import key_id
from edgewright.contract.trusted import ONLINE_FIELD, RELEASE_FIELD, ROLE_PREFIX

Signed = dict[str, Any]
NEW_MODELS = "for releases of new models"
MAX_LEAP = 1000
"""By how much a version may rise between two signatures of one ring, as others sign too. Used up, versions are gone."""
CLOCK_SKEW = timedelta(days=1)


def read_payload(payload: SigningPayload) -> Signed:
    """The metadata that would be signed. Raises HostileInput unless it is what the payload says, in the one shape.

    A key id must be that of its key and a delegation must lead to its own model alone: what is shown to a person
    then says all that the bytes do.
    """
    signed = _parse(payload)
    kind = payload.role if payload.role in ("root", "targets") else "targets"
    if signed.get("_type") != kind or signed.get("version") != payload.version:
        raise _lie(f"the bytes to sign are not {payload.role} version {payload.version}")
    model = payload.role.removeprefix(ROLE_PREFIX)
    strays = [path for path in paths_of(signed) if payload.role == "targets" or not path.startswith(f"{model}/")]
    if strays:
        raise _lie(f"{payload.role} may not name '{strays[0]}'")
    if kind == "targets":
        _check_delegations(payload.role, signed.get("delegations") or {})
    for keyid, key in _keys(signed):
        if key_id(Key.from_dict(keyid, copy.deepcopy(key))) != keyid:
            raise _lie(f"the key id {keyid[:12]} is not that of its key")
    return signed


def changes(before: Signed, after: Signed, names: Mapping[str, str]) -> list[str]:
    """What signing `after` changes against `before` ({} for nothing known). `names` calls keys by name, by key id."""
    lines = _changes("path", paths_of(before), paths_of(after))
    lines += _changes("delegation", _delegations(before, names), _delegations(after, names))
    lines += _changes("rule", _rules(before, names), _rules(after, names))
    return lines


def beyond_release(
    before: Signed, after: Signed, released: Mapping[str, str], model: str, counter: int, now: datetime
) -> list[str]:
    """What signing brings about besides one release and, for a new model, the delegation to the keys of new models.

    `released` has the SHA-256 of every path that was signed before. That a path goes is no harm: a hub can withhold it.
    """
    own = f"{model}/{counter}/"
    offered = {path: sha256 for path, sha256 in paths_of(after).items() if not path.startswith(own)}
    known = {path: sha256 for path, sha256 in released.items() if path in offered}
    old, new, rules = _delegations(before, {}), _delegations(after, {}), _rules(before, {})
    for name, rule in new.items():
        is_first = name not in old and name == f"{model}/*/* to {ROLE_PREFIX}{model}"
        if is_first and rule == rules.get(NEW_MODELS):
            old[name] = rule
    lines = _changes("path", known, offered) + _changes("delegation", old, new)
    return lines + _changes("rule", rules, _rules(after, {})) + _excesses(before, after, now)


def paths_of(signed: Signed) -> dict[str, str]:
    """SHA-256 by target path."""
    return {path: file["hashes"].get("sha256", "no SHA-256") for path, file in signed.get("targets", {}).items()}


def _excesses(before: Signed, after: Signed, now: datetime) -> list[str]:
    """A version that leaves none for later, and a life that outlasts the keys."""
    was, version, expires = before.get("version", 0), after["version"], after["expires"]
    lines = [f"leaps from version {was} to {version}"] if version > was + MAX_LEAP else []
    is_long = datetime.fromisoformat(expires).astimezone(UTC) > now + LIFETIME + CLOCK_SKEW
    return [*lines, f"stays good until {expires}, longer than {LIFETIME.days} days"] if is_long else lines


def _parse(payload: SigningPayload) -> Signed:
    if payload.role not in ("root", "targets") and not payload.role.startswith(ROLE_PREFIX):
        raise HostileInput(f"'{payload.role}' is no role of people", field="role")
    if "/" in payload.role:
        raise HostileInput(f"'{payload.role}' is no plain role name", field="role")
    try:
        signed: Signed = json.loads(payload.signed, strict=False)
        metadata = (Root if payload.role == "root" else Targets).from_dict(copy.deepcopy(signed))
        for _, key in _keys(signed):
            Key.from_dict("", copy.deepcopy(key))
        metadata.to_dict()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HostileInput("the bytes to sign are no TUF metadata", field="signed") from error
    return signed


def _check_delegations(role: str, delegations: Signed) -> None:
    roles = delegations.get("roles") or []
    if role != "targets" and (roles or "succinct_roles" in delegations):
        raise _lie(f"{role} may not delegate")
    for one in roles:
        model = one["name"].removeprefix(ROLE_PREFIX)
        if not one["name"].startswith(ROLE_PREFIX) or one.get("paths") != [f"{model}/*/*"] or "/" in model:
            raise _lie(f"the delegation to '{one['name']}' is not to one model's releases alone")
    if "succinct_roles" in delegations:
        raise _lie("delegations to hashed paths are not signed here")


def _keys(signed: Signed) -> Iterator[tuple[str, Any]]:
    yield from signed.get("keys", {}).items()
    yield from (signed.get("delegations") or {}).get("keys", {}).items()
    yield from signed.get(RELEASE_FIELD, {}).get("keys", {}).items()
    for keys in signed.get(ONLINE_FIELD, {}).values():
        yield from keys.items()


def _delegations(signed: Signed, names: Mapping[str, str]) -> dict[str, str]:
    roles = (signed.get("delegations") or {}).get("roles", [])
    return {
        f"{', '.join(role['paths'])} to {role['name']}": _rule(role["threshold"], role["keyids"], names)
        for role in roles
    }


def _rules(signed: Signed, names: Mapping[str, str]) -> dict[str, str]:
    rules = {
        f"for {name}": _rule(role["threshold"], role["keyids"], names) for name, role in signed.get("roles", {}).items()
    }
    rules |= {f"for {name}": _rule(1, keys, names) for name, keys in signed.get(ONLINE_FIELD, {}).items()}
    if RELEASE_FIELD in signed:
        field = signed[RELEASE_FIELD]
        rules[NEW_MODELS] = _rule(field["threshold"], field["keys"], names)
    return rules


def _rule(threshold: int, keyids: Iterable[str], names: Mapping[str, str]) -> str:
    called = (f"{names[keyid]} ({keyid[:12]})" if keyid in names else keyid[:12] for keyid in keyids)
    return f"{threshold} of the keys {', '.join(called)}"


def _changes(what: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    added = [f"adds {what} {name}: {after[name]}" for name in after if name not in before]
    removed = [f"removes {what} {name}: {before[name]}" for name in before if name not in after]
    changed = [
        f"changes {what} {name}: {before[name]} becomes {after[name]}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return [*added, *removed, *changed]


def _lie(message: str) -> HostileInput:
    return HostileInput(message, field="signed", hint="Do not sign. Ask who runs the hub.")
