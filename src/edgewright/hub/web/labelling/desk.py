"""What lies before a person who labels: one sample, the classes to choose from, and how far the work is."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.contract.api import LabelChange, LabelProgress, SampleRecord
from edgewright.contract.errors import EdgewrightError, NotFound
from edgewright.contract.showing import Shown, show
from edgewright.contract.tensors import Contract, Kind
from edgewright.hub.app import Hub
from edgewright.hub.data import read_tensors

MAX_CLASSES = 60
"""With more of them, people type the number."""


@dataclass(frozen=True)
class Choice:
    """One class: its number, its name, and the key that chooses it ('' for none)."""

    number: int
    name: str
    key: str = ""


@dataclass(frozen=True)
class Desk:
    """The page of one model. `skip` samples lie aside; `undo` is the one that was labelled last."""

    model: str
    progress: LabelProgress
    sample: SampleRecord | None
    shown: tuple[Shown, ...]
    choices: tuple[Choice, ...]
    said: tuple[LabelChange, ...]
    skip: int
    undo: str
    is_disputes: bool

    @property
    def waiting(self) -> int:
        """How many there are to do, those aside too."""
        return self.progress.disputed if self.is_disputes else self.progress.samples - self.progress.labelled


def desk_of(hub: Hub, model: str, skip: int, undo: str, sample: str, is_disputes: bool) -> Desk:
    """The desk as it is now; raises UnknownModel. `sample` is one that somebody wants to see again."""
    record = hub.registry.model(model)
    found = _sample(hub, model, skip, sample, is_disputes)
    versions = {version.version: version.contract for version in record.versions}
    contract = versions.get(found.version) if found is not None else None
    newest = record.versions[-1].contract if record.versions else None
    progress = hub.data.progress(model)
    return Desk(
        model=model,
        progress=progress,
        sample=found,
        shown=shown_of(hub, found, contract),
        choices=_choices(contract or newest, progress),
        said=tuple(hub.data.history(found.id)) if found is not None and found.is_disputed else (),
        skip=skip,
        undo=undo,
        is_disputes=is_disputes,
    )


def shown_of(hub: Hub, sample: SampleRecord | None, contract: Contract | None) -> tuple[Shown, ...]:
    """The sample's inputs; none where they cannot be read any more."""
    if sample is None or contract is None:
        return ()
    try:
        return show(contract, read_tensors(hub.blobs.path(sample.sha256).read_bytes()))
    except (EdgewrightError, OSError):
        return ()


def input_of(hub: Hub, model: str, sample: str, name: str) -> Shown:
    """One input of a sample, to be seen or heard; raises NotFound."""
    found = next((item for item in hub.data.samples(model, sample=sample)), None)
    contract = hub.registry.version(model, found.version).contract if found is not None else None
    one = next((item for item in shown_of(hub, found, contract) if item.name == name and item.media), None)
    if one is None:
        raise NotFound(f"sample '{sample[:200]}' has no picture or sound '{name[:80]}'", field="name")
    return one


def _sample(hub: Hub, model: str, skip: int, sample: str, is_disputes: bool) -> SampleRecord | None:
    if sample:
        return next(iter(hub.data.samples(model, sample=sample)), None)
    is_labelled, is_disputed = (None, True) if is_disputes else (False, None)
    rest = hub.data.samples(model, is_labelled=is_labelled, is_disputed=is_disputed, limit=skip + 1)
    return rest[skip] if len(rest) > skip else None


def _choices(contract: Contract | None, progress: LabelProgress) -> tuple[Choice, ...]:
    """The classes that the contract names or counts, or those that were seen as labels; () for too many."""
    names: tuple[str, ...] = ()
    for kind in (Kind.LABEL, Kind.SCORES):
        spec = contract.output_of(kind) if contract else None
        if spec is not None and not names:
            width = spec.shape[-1] if kind is Kind.SCORES and len(spec.shape) > 1 else 0
            names = spec.names or tuple(str(number) for number in range(width or 0))
    names = names or tuple(str(number) for number in range(max(map(int, progress.counts), default=-1) + 1))
    if len(names) > MAX_CLASSES:
        return ()
    return tuple(Choice(place, name, str(place) if len(names) <= 10 else "") for place, name in enumerate(names))
