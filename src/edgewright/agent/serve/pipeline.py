"""Two models as one in the app's process: `Pipeline("detect", "classify", connect={"image": "crop"})`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from edgewright.agent.disk import apps, pipelines
from edgewright.agent.serve.inference import Model
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract


class Pipeline:
    """The outputs of the first that `connect` names become inputs of the second: `{input: output}`.

    `predict` takes the inputs of the first and those of the second that are not connected, and gives the outputs of
    the second, and those of the first that the second does not name. The arrays between the two are not copied.

    Both models must be installed. What the pipeline needs of their contracts is declared under the name `app`, and so
    a package which would break it is refused before it is downloaded. Raises InvalidInput where the two do not fit,
    ModelNotReady where one is not there.
    """

    def __init__(
        self, first: str, second: str, connect: Mapping[str, str], dir: str | Path | None = None, *, app: str = ""
    ) -> None:
        if first == second:
            raise InvalidInput("a pipeline joins two different models", field="second")
        self.connect = dict(connect)
        self.app = f"{app or apps.default_app()}.{first}.{second}"[:63]
        self.first, self.second = Model(first, dir), Model(second, dir)
        wanted = pipelines.needs(self.first.contract, self.second.contract, self.connect)
        self.first.require(wanted[0], self.app)
        self.second.require(wanted[1], self.app)

    @property
    def contract(self) -> Contract:
        """What goes in and comes out of the two as one."""
        return pipelines.join(self.first.contract, self.second.contract, self.connect)

    def predict(self, /, reference: str = "", **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Infer with the first, then with the second; raises what `Model.predict` raises."""
        taken = {spec.name for spec in self.first.contract.inputs}
        others = {spec.name for spec in self.second.contract.inputs} - set(self.connect)
        for name in inputs:
            if name not in taken | others:
                raise InvalidInput(f"the pipeline has no input '{name}'", field=name)
        found = self.first.predict(reference, **{name: array for name, array in inputs.items() if name in taken})
        passed = {name: found[source] for name, source in self.connect.items()}
        answer = self.second.predict(
            reference, **passed, **{name: array for name, array in inputs.items() if name in others}
        )
        return found | answer

    async def apredict(self, /, reference: str = "", **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As `predict`, in a thread; see `Model.apredict`."""
        return await asyncio.to_thread(self.predict, reference, **inputs)

    def close(self) -> None:
        """Let go of both models."""
        self.first.close()
        self.second.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
