"""Which deltas the fleet needs: from what devices run to what they shall get, the most valuable first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgewright.contract.manifest import File

MIN_FILE_BYTES = 2048  # a smaller file costs less than to order a delta for it
MAX_PAIRS = 500


@dataclass(frozen=True)
class Need:
    """So many devices run one package and shall get another; both are named by the digests of their manifests."""

    base_manifest: str
    result_manifest: str
    devices: int

    @property
    def packages(self) -> tuple[str, str]:
        """Both."""
        return self.base_manifest, self.result_manifest


@dataclass(frozen=True)
class Pair:
    """Two files between which a delta would serve `devices`."""

    base_sha256: str
    result_sha256: str
    result_bytes: int
    devices: int

    @property
    def key(self) -> tuple[str, str]:
        """What names the pair."""
        return self.base_sha256, self.result_sha256

    @property
    def value_bytes(self) -> int:
        """What devices would download without it."""
        return self.devices * self.result_bytes


def choose_pairs(needs: Iterable[Need], files: Mapping[str, Sequence[File]], max_bases: int) -> list[Pair]:
    """The pairs that are worth a try, most valuable first: at most `max_bases` for each result, `MAX_PAIRS` in all.

    `files` has those of every package named, by the digest of its manifest.
    """
    wanted: Counter[tuple[str, str, int]] = Counter()
    for need in needs:
        for base, result in like_files(files.get(need.base_manifest, ()), files.get(need.result_manifest, ())):
            wanted[base.sha256, result.sha256, result.size_bytes] += need.devices
    pairs = [Pair(base, result, size_bytes, devices) for (base, result, size_bytes), devices in wanted.items()]
    pairs.sort(key=lambda pair: (-pair.value_bytes, pair.result_sha256, pair.base_sha256))
    bases: Counter[str] = Counter()
    chosen: list[Pair] = []
    for pair in pairs:
        bases[pair.result_sha256] += 1
        if bases[pair.result_sha256] <= max_bases:
            chosen.append(pair)
    return chosen[:MAX_PAIRS]


def like_files(base: Sequence[File], result: Sequence[File]) -> list[tuple[File, File]]:
    """Which file of one package each changed file of another may be made from.

    It has the same role, and the same name unless both packages have one file only of that role.
    """
    by_name = {(file.role, file.name): file for file in base}
    alone = {role: file for role, file in _only_files(base).items() if role in _only_files(result)}
    held = {file.sha256 for file in base}
    found = []
    for file in result:
        like = by_name.get((file.role, file.name)) or alone.get(file.role)
        if like is not None and file.sha256 not in held and file.size_bytes >= MIN_FILE_BYTES:
            found.append((like, file))
    return found


def _only_files(files: Sequence[File]) -> dict[str, File]:
    """The files that are the only ones of their role in a package."""
    counted = Counter(file.role for file in files)
    return {file.role: file for file in files if counted[file.role] == 1}
