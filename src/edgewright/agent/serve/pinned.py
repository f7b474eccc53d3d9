"""One package of a model, chosen by whoever started this process and served until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgewright.agent.disk.vitals import Vitals
from edgewright.agent.serve.answering import Answering, Seen
from edgewright.agent.serve.package import Package
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.manifest import Manifest
from edgewright.contract.report import Tap


class Pinned:
    """The package in a slot, by its manifest's digest; safe in several threads. Raises what `open_package` raises.

    Its requests are counted, copied and sampled as those of an app in process.
    """

    def __init__(
        self,
        root: Path,
        model: str,
        slot: str,
        manifest_sha256: str,
        vitals: Vitals,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = model
        self._answering = Answering(root, model, None, clock=clock)
        try:
            self._serving = self._answering.open(root / "models" / model / slot, manifest_sha256, vitals)
        except EdgewrightError as error:
            self._answering.fault(error.code, f"{model}: {error.message}")
            self._answering.close()
            raise

    @property
    def package(self) -> Package:
        """What answers."""
        return self._serving.package

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        return self._serving.package.manifest

    def answer(self, inputs: Mapping[str, np.ndarray], reference: str) -> Seen:
        """Infer; see `Model.predict`. Raises InvalidInput or InferenceFailed."""
        now = time.monotonic()
        if now >= self._answering.look_at:
            self._answering.look(now)
        return self._answering.infer(self._serving, inputs, reference)

    def learn(self, seen: Seen) -> None:
        """What is to follow each answer, once it is on its way. Never raises."""
        self._answering.learn(seen)

    def feedback(self, reference: str, tap: Tap) -> bool:
        """Count what a person says of an answer; False where that was said before. Raises InvalidInput."""
        return self._answering.feedback(self._serving, reference, tap)

    def strain(self) -> None:
        """More is asked for at once than the package's self-test has shown that it can take."""
        self._serving.vitals.strain()

    def close(self) -> None:
        """Spool the last window and let go of everything."""
        self._answering.close()
