"""The memory that all workers share: what is to be given, and what each package needs of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgewright.agent.disk import MANIFEST
from edgewright.agent.states import Active
from edgewright.agent.workers.admission import SHARE, Claim, Decision, Holding, admit, need_bytes
from edgewright.contract import manifest as manifests
from edgewright.contract.errors import HostileInput

DEFAULT_BYTES = 512 * 1024 * 1024
MAX_KNOWN = 256


class Memory:
    """`max_bytes` 0 gives a share of the machine's memory."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._automatic_bytes = 0 if max_bytes else round(SHARE * machine_bytes())
        self._budget_bytes = max_bytes or self._automatic_bytes
        self._declared: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def decide(self, model: str, package: Active, priority: int, holdings: Sequence[Holding]) -> Decision:
        """Whether a worker for that package may be started now."""
        claim = Claim(model, self.need_bytes(model, package), priority)
        return admit(claim, holdings, self._budget_bytes)

    def need_bytes(self, model: str, package: Active) -> int:
        """What a worker for that package is counted with."""
        seen_bytes = self._seen.get(package.manifest_sha256, 0)
        return need_bytes(self.declared_bytes(model, package), seen_bytes, self._automatic_bytes)

    def declared_bytes(self, model: str, package: Active) -> int:
        """What its manifest says that it may take."""
        sha256 = package.manifest_sha256
        if sha256 not in self._declared:
            found = _read_budget(self._root / "models" / model / package.slot / MANIFEST)
            self._declared = _with(self._declared, sha256, found)
        return self._declared[sha256]

    def saw(self, package: Active, rss_bytes: int) -> None:
        """A worker of that package, which has loaded, took so much."""
        if rss_bytes > self._seen.get(package.manifest_sha256, 0):
            self._seen = _with(self._seen, package.manifest_sha256, rss_bytes)


def machine_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _with(known: dict[str, int], sha256: str, number: int) -> dict[str, int]:
    """The latest packages' numbers, with this one."""
    return dict([*((key, value) for key, value in known.items() if key != sha256), (sha256, number)][-MAX_KNOWN:])


def _read_budget(path: Path) -> int:
    """A manifest that cannot be read makes the worker fail, which says why better than we could."""
    try:
        return manifests.decode(path.read_bytes()).budgets.memory_bytes or DEFAULT_BYTES
    except (OSError, HostileInput):
        return DEFAULT_BYTES
