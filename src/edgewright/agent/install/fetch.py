"""The files of one package, one after the other: from a slot, as a delta on a file in a slot, or in full."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.install.download import Source, download
from edgewright.agent.states import Candidate
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import File, Manifest
from edgewright.contract.order import Fetch

Patch = Callable[[Path, Path, Path, int], None]
"""Applies a delta to a base and writes the result, of at most so many bytes; raises HostileInput."""


class Progress(StrEnum):
    """How far a call came."""

    PAUSED = "paused"
    MOVED = "moved"
    DONE = "done"


class Fetcher:
    """Brings a candidate's files into `staging`, each under its digest. Every call may be repeated."""

    def __init__(self, staging: Path, source: Source, patch: Patch, is_pausing: Callable[[], bool]) -> None:
        self._staging = staging
        self._source = source
        self._patch = patch
        self._is_pausing = is_pausing

    def keep_manifest(self, data: bytes) -> None:
        """Put a manifest that was fetched and verified already where `manifest` finds it."""
        durable.make_folder(self._staging)
        durable.replace(self._staging / manifests.digest(data), data)

    def manifest(self, candidate: Candidate) -> bytes | None:
        """The candidate's manifest, fetched again if it is gone; None if paused."""
        sha256 = candidate.install.manifest_sha256
        path = download(self._source, sha256, candidate.manifest_bytes, self._staging, self._is_pausing)
        return None if path is None else path.read_bytes()

    def advance(self, candidate: Candidate, manifest: Manifest, held: Mapping[str, Path]) -> tuple[Candidate, Progress]:
        """Bring the next file that is missing. Raises Unreachable (try later), HostileInput and what the hub says."""
        file = next((file for file in manifest.files if not self.path(file.sha256).exists()), None)
        if file is None:
            return candidate, Progress.DONE
        if file.sha256 in held and self._copy(held[file.sha256], file):
            return candidate, Progress.MOVED
        delta = usable_delta(candidate, file, held)
        if delta is None:
            return self._fetch_full(candidate, file)
        try:
            return self._fetch_delta(candidate, file, delta, held[delta.base_sha256])
        except (Unreachable, NotAllowed):
            raise
        except EdgewrightError:  # the delta, its base, or the hub's word about them is off: do without
            if self.path(delta.sha256).exists():
                candidate = _counted(candidate, delta.sha256, delta.size_bytes)
            return msgspec.structs.replace(candidate, spoiled=(*candidate.spoiled, delta.sha256)), Progress.MOVED

    def sources(self, manifest: Manifest) -> dict[str, Path]:
        """Where the package's files lie, by digest."""
        return {file.sha256: self.path(file.sha256) for file in manifest.files}

    def path(self, sha256: str) -> Path:
        """Where a verified file lies once it is there."""
        return self._staging / sha256

    def forget(self) -> None:
        """Remove everything that was fetched."""
        if self._staging.is_dir():
            for name in os.listdir(self._staging):
                durable.remove(self._staging / name)

    def _fetch_full(self, candidate: Candidate, file: File) -> tuple[Candidate, Progress]:
        if download(self._source, file.sha256, file.size_bytes, self._staging, self._is_pausing) is None:
            return candidate, Progress.PAUSED
        return _counted(candidate, file.sha256, file.size_bytes), Progress.MOVED

    def _fetch_delta(self, candidate: Candidate, file: File, delta: Fetch, base: Path) -> tuple[Candidate, Progress]:
        path = download(self._source, delta.sha256, delta.size_bytes, self._staging, self._is_pausing)
        if path is None:
            return candidate, Progress.PAUSED
        candidate = _counted(candidate, delta.sha256, delta.size_bytes)
        aside = self._staging / (file.sha256 + durable.ASIDE)
        self._patch(base, path, aside, file.size_bytes)
        if not self._accept(aside, file):
            raise HostileInput("the delta gives another file than it was ordered for", field="result_sha256")
        return msgspec.structs.replace(candidate, used_delta=True), Progress.MOVED

    def _copy(self, source: Path, file: File) -> bool:
        aside = self._staging / (file.sha256 + durable.ASIDE)
        durable.make_folder(self._staging)
        durable.copy(source, aside)
        return self._accept(aside, file)

    def _accept(self, aside: Path, file: File) -> bool:
        if durable.digest(aside) != file.sha256:
            durable.remove(aside)
            return False
        durable.sync_file(aside)
        os.rename(aside, self.path(file.sha256))
        durable.sync_folder(self._staging)
        return True


def usable_delta(candidate: Candidate, file: File, held: Mapping[str, Path]) -> Fetch | None:
    """The smallest ordered delta whose base is here and that has not failed, if it is smaller than the file."""
    fitting = [
        fetch
        for fetch in candidate.install.fetches
        if fetch.result_sha256 == file.sha256
        and fetch.base_sha256 in held
        and fetch.sha256 not in candidate.spoiled
        and fetch.size_bytes < file.size_bytes
    ]
    return min(fitting, key=lambda fetch: fetch.size_bytes, default=None)


def needed_bytes(manifest: Manifest) -> int:
    """Disk space that an install takes at its fullest, beside what lies on the device now."""
    return 2 * sum(file.size_bytes for file in manifest.files) + manifests.MAX_MANIFEST_BYTES


def _counted(candidate: Candidate, sha256: str, size_bytes: int) -> Candidate:
    return msgspec.structs.replace(candidate, received={**candidate.received, sha256: size_bytes})
