"""Brings a client's trusted metadata up to date: the TUF client workflow, every file kept once it is verified.

It serves the device, whose hub is one TUF repository, and `edgewright-agent tuf`, for which any repository will do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from tuf.api.metadata import TargetFile

from edgewright.contract.errors import EdgewrightError, HostileInput
from edgewright.contract.trusted import (
    MAX_ROOT_BYTES,
    MAX_SNAPSHOT_BYTES,
    MAX_TARGETS_BYTES,
    MAX_TIMESTAMP_BYTES,
    TrustedSet,
)

MAX_ROOT_STEPS = 64
MAX_DELEGATIONS = 32


class Store(Protocol):
    """A client's copies, by plain name ('root.json'): `write` is durable when it returns."""

    def read(self, name: str) -> bytes | None:
        """The bytes last written, or None."""

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole."""


Fetch = Callable[[str, int], bytes]
"""Gets a file of the repository by name, refusing more than so many bytes; raises NotFound where there is none."""


@dataclass(frozen=True)
class Repository:
    """Where a client's metadata comes from and where it is kept; `store` holds 'root.json' from the beginning.

    `floors` is a second place for root, timestamp and snapshot, so that no version falls when `store` is lost.
    """

    store: Store
    fetch: Fetch
    floors: Store | None = None

    def copies(self, name: str) -> list[bytes]:
        """What is kept under that name, in either place."""
        found = [place.read(name) for place in self._places()]
        return [data for data in found if data is not None]

    def keep(self, name: str, data: bytes) -> None:
        """Keep a verified file in both places, the floor first."""
        for place in self._places():
            if place.read(name) != data:
                place.write(name, data)

    def _places(self) -> list[Store]:
        return [self.store] if self.floors is None else [self.floors, self.store]


def refresh(repository: Repository, now: datetime) -> TrustedSet:
    """Return what may be believed now, down to the top-level targets.

    Raises HostileInput on a rollback, a freeze, a wrong signature or any other lie, and what `fetch` raises. What
    was verified up to then is kept: versions never fall.
    """
    # 1. The root, step by step to the newest (5.3).
    trusted = _follow_roots(repository, _newest_root(repository))
    # 2. The timestamp (5.4). A floor that new keys have made void is no reason never to update again (5.3.11).
    trusted = _recall(repository, "timestamp.json", trusted, TrustedSet.recall_timestamp)
    data = repository.fetch("timestamp.json", MAX_TIMESTAMP_BYTES)
    floor = trusted.timestamp
    trusted = trusted.update_timestamp(data, now)
    if trusted.timestamp is not floor:
        repository.keep("timestamp.json", data)
    # 3. The snapshot that it names (5.5), and the top-level targets that this one names (5.6).
    trusted = _load_snapshot(repository, trusted, now)
    return load_role(repository, trusted, "targets", now, delegator="root")


def load_role(
    repository: Repository, trusted: TrustedSet, role: str, now: datetime, *, delegator: str = "targets"
) -> TrustedSet:
    """Add a role to a refreshed set that `delegator`, which is in it, delegates to; from the store if it is current."""
    if trusted.holds(role, delegator):
        return trusted
    name, meta = f"{quote(role, safe='')}.json", trusted.named(role)
    kept = repository.store.read(name)
    if kept is not None:
        with contextlib.suppress(HostileInput):
            return trusted.update_delegated(role, kept, now, delegator)
    data = repository.fetch(trusted.file_name(role), min(meta.length or MAX_TARGETS_BYTES, MAX_TARGETS_BYTES))
    trusted = trusted.update_delegated(role, data, now, delegator)
    repository.store.write(name, data)
    return trusted


def find_target(
    repository: Repository, trusted: TrustedSet, path: str, now: datetime
) -> tuple[TrustedSet, TargetFile | None]:
    """Ask all roles to which `path` is delegated, depth first, each before those it delegates to (5.6.7).

    Gives the richer set, and what the first role that knows the target says of it, or None.
    """
    waiting, visited = [("root", "targets")], set[str]()
    while waiting and len(visited) <= MAX_DELEGATIONS:
        delegator, role = waiting.pop()
        if role in visited:
            continue
        visited.add(role)
        trusted = load_role(repository, trusted, role, now, delegator=delegator)
        targets = trusted.roles[role]
        if path in targets.targets:
            return trusted, targets.targets[path]
        following: list[tuple[str, str]] = []
        for name, is_terminating in targets.delegations.get_roles_for_target(path) if targets.delegations else ():
            following.append((role, name))
            if is_terminating:
                waiting.clear()
                break
        waiting += reversed(following)
    return trusted, None


def _newest_root(repository: Repository) -> TrustedSet:
    found, problem = list[tuple[int, bytes, TrustedSet]](), HostileInput("root: there is none", field="root")
    for copy in repository.copies("root.json"):
        try:
            trusted = TrustedSet.from_root(copy)
        except HostileInput as error:
            problem = error
        else:
            found.append((trusted.root.version, copy, trusted))
    if not found:
        raise problem
    _, data, newest = max(found, key=lambda one: one[0])
    repository.keep("root.json", data)
    return newest


def _follow_roots(repository: Repository, trusted: TrustedSet) -> TrustedSet:
    for _ in range(MAX_ROOT_STEPS):
        data = _fetch_if_there(repository.fetch, f"{trusted.root.version + 1}.root.json", MAX_ROOT_BYTES)
        if data is None:
            return trusted
        trusted = trusted.update_root(data)
        repository.keep("root.json", data)
    return trusted


def _recall(
    repository: Repository, name: str, trusted: TrustedSet, recall: Callable[[TrustedSet, bytes], TrustedSet]
) -> TrustedSet:
    """Take the highest of the copies that still verify as a floor, and mend the other by it."""
    best = None
    for copy in repository.copies(name):
        with contextlib.suppress(HostileInput):
            recalled = recall(trusted, copy)
            trusted, best = (recalled, copy) if recalled is not trusted else (trusted, best)
    if best is not None:
        repository.keep(name, best)
    return trusted


def _load_snapshot(repository: Repository, trusted: TrustedSet, now: datetime) -> TrustedSet:
    trusted = _recall(repository, "snapshot.json", trusted, TrustedSet.recall_snapshot)
    for kept in repository.copies("snapshot.json"):
        with contextlib.suppress(HostileInput):
            return trusted.update_snapshot(kept, now)
    meta = trusted.named("snapshot")
    max_bytes = min(meta.length or MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_BYTES)
    data = repository.fetch(trusted.file_name("snapshot"), max_bytes)
    trusted = trusted.update_snapshot(data, now)
    repository.keep("snapshot.json", data)
    return trusted


def _fetch_if_there(fetch: Fetch, name: str, max_bytes: int) -> bytes | None:
    try:
        return fetch(name, max_bytes)
    except EdgewrightError as error:
        if error.http_status == 404:
            return None
        raise
