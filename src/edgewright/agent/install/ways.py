"""Ways to a file: which ordered deltas lead to it from what is here, in the fewest bytes. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence

from edgewright.agent.states import Candidate
from edgewright.contract.manifest import File, Manifest
from edgewright.contract.order import Fetch


class Ways:
    """The deltas of one install, for a package whose largest file bounds whatever lies between a base and a result.

    An order comes from the hub's online key, the manifest from people: a delta that would make more bytes than the
    manifest's largest file has is left out.
    """

    def __init__(self, fetches: Sequence[Fetch], manifest: Manifest) -> None:
        sizes = {file.sha256: file.size_bytes for file in manifest.files}
        largest = max(sizes.values(), default=0)
        self._by_result: Mapping[str, list[Fetch]] = defaultdict(list)
        for fetch in fetches:
            if fetch.result_bytes == sizes.get(fetch.result_sha256, fetch.result_bytes) <= largest:
                self._by_result[fetch.result_sha256].append(fetch)
        self.between = {
            sha256: fetches[0].result_bytes for sha256, fetches in self._by_result.items() if sha256 not in sizes
        }
        """Results that are no files of the package, only bases of others, and their sizes."""

    def cheapest(self, file: File, here: Container[str], candidate: Candidate) -> tuple[Fetch, ...]:
        """The deltas to apply, one after the other, to get `file` from a file that is here; () where none is smaller.

        Those that have failed this candidate before, and those on bases that have rotted, are no way.
        """
        turn = itertools.count()
        open_ends: list[tuple[int, int, str, tuple[Fetch, ...]]] = [(0, next(turn), file.sha256, ())]
        seen = set()
        while open_ends:
            size_bytes, _, sha256, way = heapq.heappop(open_ends)
            if way and sha256 in here:
                return way
            if sha256 in seen:
                continue
            seen.add(sha256)
            for fetch in self._by_result.get(sha256, ()):
                total_bytes = size_bytes + fetch.size_bytes
                if total_bytes < file.size_bytes and _is_sound(fetch, candidate):
                    heapq.heappush(open_ends, (total_bytes, next(turn), fetch.base_sha256, (fetch, *way)))
        return ()

    def working_bytes(self) -> int:
        """Disk space that a delta and what lies between take at most, beside the package's own files."""
        fetches = [fetch for fetches in self._by_result.values() for fetch in fetches]
        return max((self._working_bytes(fetch) for fetch in fetches), default=0)

    def _working_bytes(self, fetch: Fetch) -> int:
        base, result = (self.between.get(sha256, 0) for sha256 in (fetch.base_sha256, fetch.result_sha256))
        return fetch.size_bytes + base + result


def files_of(manifest: Manifest) -> Collection[File]:
    """The files of a package, each content once."""
    return {file.sha256: file for file in manifest.files}.values()


def _is_sound(fetch: Fetch, candidate: Candidate) -> bool:
    return fetch.sha256 not in candidate.spoiled and fetch.base_sha256 not in candidate.rotted
