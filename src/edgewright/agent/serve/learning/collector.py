"""Collects requests while the agent asks for samples, then hands those worth labelling to the spool."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from edgewright.agent.disk import Sampling
from edgewright.agent.serve.learning import leaving, sampling
from edgewright.agent.serve.learning.daily import Daily
from edgewright.agent.serve.learning.outbox import Outbox
from edgewright.agent.serve.package import Package
from edgewright.contract.errors import EdgewrightError
from edgewright.contract.report import Sample

ROWS_PER_BUDGET = 10
MAX_BYTES = 32 * 1024 * 1024
_DRAIN_EVERY = 100

Arrays = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """One row of one request."""

    at: float
    reference: str
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


class Collector:
    """Serves one request for samples at a time, and each only once on this device, whichever process comes first."""

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        claims: Path,
        clock: Callable[[], float],
        random: np.random.Generator,
        daily: Daily,
    ) -> None:
        self.is_collecting = False
        self._outbox = outbox
        self._name = name
        self._claims = claims
        self._clock = clock
        self._random = random
        self._daily = daily
        self._lock = threading.Lock()
        self._wanted: Sampling | None = None
        self._package: Package | None = None
        self._rows: list[Row] = []
        self._bytes = 0
        self._since = 0.0
        self._is_allowed = False

    def want(self, wanted: Sampling | None) -> None:
        """Begin to collect for this request, unless it was served; None ends a collection."""
        with self._lock:
            if wanted == self._wanted:
                return
            self._wanted = wanted
            self._package = None
            self._forget()
            self.is_collecting = wanted is not None and not self._claim(wanted.request).exists()

    def offer(self, package: Package, feeds: Arrays, outputs: Arrays, reference: str) -> bool:
        """Take the rows of one request, up to the bound; True once there is enough to choose from.

        Of a package whose data policy lets nothing leave, nothing is taken.
        """
        with self._lock:
            if package is not self._package:
                self._forget()
                self._package = package
                self._is_allowed = self._allows(package)
            if not self._is_allowed:
                return False
            count = len(next(iter(feeds.values())))
            for place in range(count):
                if self._is_full():
                    break
                self._take(feeds, outputs, place, reference if count == 1 else f"{reference}#{place}")
            return self._is_full()

    def finish(self, patience_s: float) -> None:
        """Choose and hand over, if there is enough: ten times the budget, or the budget itself after `patience_s`."""
        with self._lock:
            wanted, package, rows = self._wanted, self._package, self._rows
            has_waited = self._clock() - self._since >= patience_s and wanted and len(rows) >= wanted.budget
            if not self.is_collecting or wanted is None or package is None or not (self._is_full() or has_waited):
                return
            self.is_collecting = False
            self._forget()
        if _create(self._claim(wanted.request)):
            self._hand_over(wanted, package, rows)

    def _take(self, feeds: Arrays, outputs: Arrays, place: int, reference: str) -> None:
        if not self._rows:
            self._since = self._clock()
        inputs = {name: array[place : place + 1].copy() for name, array in feeds.items()}
        answers = {name: array[place : place + 1].copy() for name, array in outputs.items()}
        self._rows.append(Row(self._clock(), reference, inputs, answers))
        self._bytes += sum(array.nbytes for array in (*inputs.values(), *answers.values()))

    def _allows(self, package: Package) -> bool:
        try:
            leaving.check_allowed(package, self._wanted.redactor if self._wanted else ())
        except leaving.NotLeaving as error:
            self._outbox.fault(error.code, error.message)
            return False
        return True

    def _is_full(self) -> bool:
        budget = self._wanted.budget if self._wanted else 0
        return len(self._rows) >= ROWS_PER_BUDGET * budget or self._bytes >= MAX_BYTES

    def _forget(self) -> None:
        self._rows, self._bytes = [], 0

    def _hand_over(self, wanted: Sampling, package: Package, rows: list[Row]) -> None:
        """Put what may leave into the spool: as many as today's bytes allow, both kinds in turn."""
        doubts = _uncertainty(package, rows)
        features = sampling.as_features([np.concatenate([row.inputs[n] for row in rows]) for n in rows[0].inputs])
        choices = sampling.in_turn(sampling.choose(doubts, features, wanted.budget, self._random))
        made = [
            self._sample(wanted, package, rows[choice.place], number, choice.chosen_as, float(doubts[choice.place]))
            for number, choice in enumerate(choices)
        ]
        samples = [sample for sample in made if sample is not None]
        sizes = [len(sample.inputs) + len(sample.outputs) for sample in samples]
        count = self._daily.pay(self._clock(), sizes, leaving.policy_of(package).max_bytes_per_day)
        if count < len(samples):
            told = f"{len(samples) - count} of {len(samples)} samples for {wanted.request} exceed the day's bytes"
            self._outbox.fault("samples_over_budget", told)
        self._put(samples[:count], len(rows))

    def _sample(
        self, wanted: Sampling, package: Package, row: Row, number: int, chosen_as: str, doubt: float
    ) -> Sample | None:
        """The sample of one row; None, and a fault, where it may not leave."""
        try:
            left = leaving.leaves(package, row.inputs, row.outputs, row.reference, wanted.redactor)
        except EdgewrightError as error:
            self._outbox.fault(error.code, error.message)
            return None
        return Sample(
            id=f"{self._name}:{wanted.request}:{number}",
            request=wanted.request,
            model=package.manifest.model,
            version=package.manifest.version,
            at=row.at,
            chosen_as=chosen_as,
            uncertainty=doubt,
            **left._asdict(),
        )

    def _put(self, samples: list[Sample], seen: int) -> None:
        """A sample that was drawn by chance says how many of the rows that were seen it stands for."""
        drawn = sum(sample.chosen_as == sampling.ChosenAs.RESERVOIR for sample in samples)
        for number, sample in enumerate(samples):
            is_drawn = sample.chosen_as == sampling.ChosenAs.RESERVOIR
            self._outbox.put(msgspec.structs.replace(sample, weight=seen / drawn) if is_drawn else sample)
            if number % _DRAIN_EVERY == _DRAIN_EVERY - 1:
                self._outbox.drain()

    def _claim(self, request: str) -> Path:
        return self._claims / f"{hashlib.sha256(request.encode()).hexdigest()[:32]}.collected"


def _uncertainty(package: Package, rows: list[Row]) -> np.ndarray:
    """How unsure the model was of each row, between 0 and 1; an answer that is no number is as unsure as can be."""
    if package.scores is None:
        return np.zeros(len(rows))
    doubts = sampling.uncertainty(np.concatenate([row.outputs[package.scores.name] for row in rows]))
    plain: np.ndarray = np.nan_to_num(doubts, nan=1.0, posinf=1.0, neginf=0.0)
    return plain


def _create(path: Path) -> bool:
    """Make the file; False if it was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    return True
