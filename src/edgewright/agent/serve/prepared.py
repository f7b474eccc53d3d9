"""A session that takes what apps pass: the contract's steps lead from there to what the model takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgewright.agent.runtimes import ModelUnreadable, Session
from edgewright.contract.errors import HostileInput, InvalidInput
from edgewright.contract.preprocessing.running import MAX_TABLE_BYTES, Preparation
from edgewright.contract.tensors import Contract


class Prepared:
    """A `Session` before which the steps are done. Safe in several threads, as the session itself is.

    Raises ModelUnreadable where the steps do not make all that the model takes, HostileInput for a table that is none.
    """

    def __init__(self, session: Session, contract: Contract, folder: Path) -> None:
        self.input_names = tuple(spec.name for spec in contract.inputs)
        self.output_names = session.output_names
        self.fixed_rows = session.fixed_rows
        self._run = session.run
        self._takes = session.input_names
        try:
            self._prepare = Preparation(contract.raw(), contract.preprocessing, lambda name: _read(folder / name))
        except InvalidInput as error:
            raise HostileInput(error.message, field=error.field) from error
        if missing := sorted(set(self._takes) - set(self._prepare.results)):
            raise ModelUnreadable(f"the model takes {missing}, which no step makes", field="contract.preprocessing")

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Prepare and infer. Raises InvalidInput for what the steps cannot take, InferenceFailed."""
        made = self._prepare(feeds)
        return self._run({name: made[name] for name in self._takes})


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_TABLE_BYTES + 1)
