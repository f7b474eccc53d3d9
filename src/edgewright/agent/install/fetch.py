"""The files of one package, one after the other: from a slot, by deltas on a file in a slot, or in full."""

from __future__ import annotations

import os
from collections import ChainMap, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.install.download import Downloads, NotHere, Source
from edgewright.agent.install.patch import Patch, Patching
from edgewright.agent.install.ways import Ways, files_of
from edgewright.agent.states import Candidate
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import EdgewrightError, HostileInput, NotAllowed, Unreachable
from edgewright.contract.manifest import File, Manifest
from edgewright.contract.order import Fetch

MAX_FILES_AT_ONCE = 500


class Fetcher:
    """Brings a candidate's files into `staging`, each under its digest. Every call may be repeated.

    `held` are the files in the model's own slots, and `elsewhere()` those in other models', by digest.

    What a former process left there is hashed before it is believed. All of it is synced when `advance` says DONE.
    """

    def __init__(
        self,
        staging: Path,
        source: Source,
        patch: Patch,
        is_pausing: Callable[[], bool],
        elsewhere: Callable[[], Mapping[str, Path]] = dict,
    ) -> None:
        self._staging = staging
        self._patch = patch
        self._is_pausing = is_pausing
        self._elsewhere = elsewhere
        self._downloads = Downloads(staging, source, is_pausing)
        self._errand: _Errand | None = None

    def keep_manifest(self, data: bytes) -> None:
        """Put a manifest that was fetched and verified already where `manifest` finds it."""
        durable.make_folder(self._staging)
        durable.replace(self._staging / manifests.digest(data), data)

    def advance(self, candidate: Candidate, held: Mapping[str, Path]) -> tuple[Candidate, bool]:
        """Bring some of what is missing; whether all is here now, and synced.

        Raises Unreachable (try later), HostileInput and what the hub says.
        """
        self._errand = self._errand or self._begin(candidate)
        if self._errand is None:
            return self._counted(candidate), False
        for _ in range(MAX_FILES_AT_ONCE):
            if not self._errand.missing:
                self._finish(self._errand)
                return self._counted(candidate), True
            moved = self._bring(candidate, self._errand, held)
            candidate = moved or candidate
            if moved is None or self._is_pausing():
                break
        return self._counted(candidate), False

    def path(self, sha256: str) -> Path:
        """Where a verified file lies once it is there."""
        return self._staging / sha256

    def waits_on(self) -> tuple[int, ...]:
        """The descriptors of a delta that is being applied: once one can be read, there is more to do."""
        applying = self._errand.applying if self._errand else None
        return applying.process.waits_on() if applying else ()

    @property
    def is_waiting(self) -> bool:
        """Whether a delta is being applied."""
        return self._errand is not None and self._errand.applying is not None

    def rest(self) -> None:
        """Break off a delta that is being applied; it is begun again by the next `advance`."""
        if self._errand is not None and self._errand.applying is not None:
            self._errand.applying.process.kill()
            self._errand.applying = None

    def forget(self) -> None:
        """Remove everything that was fetched."""
        self.rest()
        self._errand = None
        self._downloads.forget()
        if self._staging.is_dir():
            for name in os.listdir(self._staging):
                durable.remove(self._staging / name)

    def _begin(self, candidate: Candidate) -> _Errand | None:
        """Read the manifest, fetched again if it is gone, and see what of the rest is here; None if paused."""
        sha256 = candidate.install.manifest_sha256
        path = self.path(sha256)
        if durable.digest(path) != sha256 and self._downloads.bring(sha256, candidate.manifest_bytes) is None:
            return None
        manifest = manifests.decode(path.read_bytes())
        errand = _Errand(manifest, Ways(candidate.install.fetches, manifest))
        known = [*errand.ways.between, *(file.sha256 for file in errand.files)]
        errand.elsewhere = dict(self._elsewhere())
        errand.here = {sha256: self.path(sha256) for sha256 in known if self._is_whole(sha256)}
        errand.missing = deque(file for file in errand.files if file.sha256 not in errand.here)
        return errand

    def _is_whole(self, sha256: str) -> bool:
        path = self.path(sha256)
        if not path.exists():
            return False
        if durable.digest(path) == sha256:
            return True
        durable.remove(path)
        return False

    def _finish(self, errand: _Errand) -> None:
        durable.sync_files([self.path(file.sha256) for file in errand.files])
        durable.sync_folder(self._staging)

    def _bring(self, candidate: Candidate, errand: _Errand, held: Mapping[str, Path]) -> Candidate | None:
        """Bring the next missing file, or a piece of the way to it; None if paused, or while a delta is applied."""
        if errand.applying is not None:
            return self._take_applied(candidate, errand, errand.applying)
        file = errand.missing[0]
        if file.sha256 in held and file.sha256 not in candidate.rotted:
            if not self._copy(held[file.sha256], file.sha256):
                return _with_rotted(candidate, file.sha256)
        elif file.sha256 in errand.elsewhere:
            if not self._link(errand.elsewhere.pop(file.sha256), file.sha256):
                return candidate
        elif way := errand.ways.cheapest(file, bases := ChainMap(errand.here, {**errand.elsewhere, **held}), candidate):
            return self._follow(candidate, errand, way[0], bases[way[0].base_sha256])
        elif self._downloads.bring(file.sha256, file.size_bytes) is None:
            return None
        self._arrived(errand, file.sha256)
        return candidate

    def _follow(self, candidate: Candidate, errand: _Errand, delta: Fetch, base: Path) -> Candidate | None:
        """Take one delta of the way; where that fails, note why, so that another way is taken the next time."""
        try:
            path = self._downloads.bring(delta.sha256, delta.size_bytes)
        except NotHere:
            return _with_spoiled(candidate, delta.sha256)
        except (Unreachable, NotAllowed):
            raise
        except EdgewrightError:
            return self._spoil(candidate, delta, base)
        if path is not None:
            process = self._patch(base, path, self._aside(delta), delta.result_bytes)
            errand.applying = _Applying(delta, base, process)
        return None

    def _take_applied(self, candidate: Candidate, errand: _Errand, applying: _Applying) -> Candidate | None:
        delta = applying.delta
        try:
            if not applying.process.is_done():
                return None
            errand.applying = None
            self._accept(delta)
        except EdgewrightError:
            errand.applying = None
            return self._spoil(candidate, delta, applying.base)
        durable.remove(self.path(delta.sha256))
        self._arrived(errand, delta.result_sha256)
        return msgspec.structs.replace(candidate, used_delta=True)

    def _spoil(self, candidate: Candidate, delta: Fetch, base: Path) -> Candidate:
        """Note what was wrong: the base, if it is not what it was any more, or else the delta."""
        durable.remove(self.path(delta.sha256))
        durable.remove(self._aside(delta))
        if durable.digest(base) != delta.base_sha256:
            return _with_rotted(candidate, delta.base_sha256)
        return _with_spoiled(candidate, delta.sha256)

    def _arrived(self, errand: _Errand, sha256: str) -> None:
        """Note what is here now; bases that lay only between others have had their use."""
        for between in errand.ways.between.keys() & errand.here:
            durable.remove(errand.here.pop(between))
        errand.here[sha256] = self.path(sha256)
        while errand.missing and errand.missing[0].sha256 in errand.here:
            errand.missing.popleft()

    def _aside(self, delta: Fetch) -> Path:
        return self._staging / (delta.result_sha256 + durable.ASIDE)

    def _accept(self, delta: Fetch) -> None:
        aside = self._aside(delta)
        if durable.digest(aside) != delta.result_sha256:
            raise HostileInput("the delta gives another file than it was ordered for", field="result_sha256")
        os.rename(aside, self.path(delta.result_sha256))

    def _copy(self, source: Path, sha256: str) -> bool:
        """Take a file that did not change from its slot: a copy, so that the slots share no fate."""
        aside = self._staging / (sha256 + durable.ASIDE)
        if durable.copy(source, aside) != sha256:
            durable.remove(aside)
            return False
        os.rename(aside, self.path(sha256))
        return True

    def _link(self, source: Path, sha256: str) -> bool:
        """Share a file with another model: there is nothing that the two could save each other from."""
        aside = self._staging / (sha256 + durable.ASIDE)
        try:
            durable.put(source, aside)
        except OSError:  # that model has emptied its slot meanwhile, say
            durable.remove(aside)
            return False
        if durable.digest(aside) != sha256:
            durable.remove(aside)
            return False
        os.rename(aside, self.path(sha256))
        return True

    def _counted(self, candidate: Candidate) -> Candidate:
        received = self._downloads.take_received()
        if not received:
            return candidate
        return msgspec.structs.replace(candidate, received_bytes=candidate.received_bytes + received)


@dataclass(frozen=True)
class _Applying:
    """A delta that a process is applying to a base."""

    delta: Fetch
    base: Path
    process: Patching


class _Errand:
    """What is to be brought of one package, and what of it is here, as this process knows."""

    def __init__(self, manifest: Manifest, ways: Ways) -> None:
        self.files = files_of(manifest)
        self.ways = ways
        self.missing: deque[File] = deque()
        self.here: dict[str, Path] = {}
        self.elsewhere: dict[str, Path] = {}
        self.applying: _Applying | None = None


def _with_spoiled(candidate: Candidate, sha256: str) -> Candidate:
    return msgspec.structs.replace(candidate, spoiled=(*candidate.spoiled, sha256))


def _with_rotted(candidate: Candidate, sha256: str) -> Candidate:
    return msgspec.structs.replace(candidate, rotted=(*candidate.rotted, sha256))
