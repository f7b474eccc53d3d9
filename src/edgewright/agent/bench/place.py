"""Where a package lies while it is measured: second names for the fetched files, as a slot would have them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgewright.agent.disk import MANIFEST, durable
from edgewright.contract import manifest as manifests
from edgewright.contract.manifest import Manifest


class Place:
    """One folder, which nothing relies on: what is loaded from it is verified by the worker that loads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "package"

    def lay(self, manifest_sha256: str, source: Callable[[str], Path]) -> Manifest:
        """Lay out the package whose files are at `source(sha256)`. Raises OSError, HostileInput."""
        self.clear()
        durable.make_folder(self.path)
        manifest = manifests.decode(source(manifest_sha256).read_bytes())
        for file in manifest.files:
            durable.put(source(file.sha256), self.path / file.name)
        durable.put(source(manifest_sha256), self.path / MANIFEST)
        return manifest

    def clear(self) -> None:
        """Leave nothing there, also of what a model has written beside its files."""
        if not self.path.is_dir():
            return
        for path, folders, names in os.walk(self.path, topdown=False):
            for name in names:
                durable.remove(Path(path) / name)
            for name in folders:
                _remove_folder(Path(path) / name)


def _remove_folder(path: Path) -> None:
    """An empty one, or a link to one, which stays as it is."""
    if path.is_symlink():
        durable.remove(path)
    else:
        os.rmdir(path)
