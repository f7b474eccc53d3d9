"""Brings the device's trusted metadata up to date: the TUF client workflow, every file kept once it is verified."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.trusted import (
    MAX_ROOT_BYTES,
    MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
    MAX_TIMESTAMP_BYTES,
    TrustedSet,
)

MAX_ROOT_STEPS = 64


class Store(Protocol):
    """The device's copies, by plain name ('root.json'): `write` is durable when it returns."""

    def read(self, name: str) -> bytes | None:
        """The bytes last written, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole."""


Fetch = Callable[[str, int], bytes]
"""Gets a file of the hub by name, refusing more than so many bytes; raises NotFound where there is none."""


def refresh(store: Store, fetch: Fetch, now: datetime) -> TrustedSet:
    """Return what may be believed now, down to the top-level targets; `store` holds 'root.json' since enrolment.

    Raises HostileInput on a rollback, a freeze, a wrong signature or any other lie, and what `fetch` raises. What
    was verified up to then is kept: versions never fall.
    """
    trusted = _follow_roots(store, fetch)
    with contextlib.suppress(HostileInput):  # a lost or re-keyed floor is no reason never to update again (5.3.11)
        trusted = trusted.recall_timestamp(store.read("timestamp.json") or b"")
    data = fetch("timestamp.json", MAX_TIMESTAMP_BYTES)
    floor = trusted.timestamp
    trusted = trusted.update_timestamp(data, now)
    if trusted.timestamp is not floor:
        store.write("timestamp.json", data)
    trusted = _load_snapshot(store, fetch, trusted, now)
    return _load(store, fetch, trusted, "targets", now)


def load_role(store: Store, fetch: Fetch, trusted: TrustedSet, role: str, now: datetime) -> TrustedSet:
    """Add a model's release role (`role_of(model)`) to a refreshed set, from the store if it is still the named one."""
    return trusted if role in trusted.roles else _load(store, fetch, trusted, role, now)


def _follow_roots(store: Store, fetch: Fetch) -> TrustedSet:
    trusted = TrustedSet.from_root(store.read("root.json") or b"")
    for _ in range(MAX_ROOT_STEPS):
        data = _fetch_if_there(fetch, f"{trusted.root.version + 1}.root.json", MAX_ROOT_BYTES)
        if data is None:
            return trusted
        trusted = trusted.update_root(data)
        store.write("root.json", data)
    return trusted


def _load_snapshot(store: Store, fetch: Fetch, trusted: TrustedSet, now: datetime) -> TrustedSet:
    kept = store.read("snapshot.json")
    if kept is not None:
        with contextlib.suppress(HostileInput):
            trusted = trusted.recall_snapshot(kept)
        with contextlib.suppress(HostileInput):
            return trusted.update_snapshot(kept, now)
    meta = trusted.named("snapshot")
    data = fetch(f"{meta.version}.snapshot.json", min(meta.length or MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_BYTES))
    trusted = trusted.update_snapshot(data, now)
    store.write("snapshot.json", data)
    return trusted


def _load(store: Store, fetch: Fetch, trusted: TrustedSet, role: str, now: datetime) -> TrustedSet:
    meta = trusted.named(role)
    kept = store.read(f"{role}.json")
    if kept is not None:
        with contextlib.suppress(HostileInput):
            return _update(trusted, role, kept, now)
    data = fetch(f"{meta.version}.{role}.json", min(meta.length or MAX_TARGETS_BYTES, MAX_TARGETS_BYTES))
    trusted = _update(trusted, role, data, now)
    store.write(f"{role}.json", data)
    return trusted


def _update(trusted: TrustedSet, role: str, data: bytes, now: datetime) -> TrustedSet:
    if role == "targets":
        return trusted.update_targets(data, now)
    return trusted.update_delegated(role, data, now)


def _fetch_if_there(fetch: Fetch, name: str, max_bytes: int) -> bytes | None:
    try:
        return fetch(name, max_bytes)
    except EdgewrightError as error:
        if error.http_status == 404:
            return None
        raise
