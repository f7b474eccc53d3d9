"""What people say that samples show: kept with its history, joined by id or by the app's own reference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from edgewright.contract.api import LabelChange, LabelDraft, LabelProgress, LabelReply, LabelSource
from edgewright.contract.data_policy import hashed_reference
from edgewright.contract.errors import InvalidInput
from edgewright.hub.data import table
from edgewright.hub.data.model import UnknownSample
from edgewright.hub.db import to_record

AT_ONCE = 400
"""Names in one question to the database: SQLite takes 999 at least."""
MAX_LABEL = 2**31 - 1
MAX_WAIT_S = 90 * 86_400.0
"""How long a label waits for its sample."""


@dataclass(frozen=True)
class Given:
    """Who labels, by which way and when; with `is_partial`, what is not known stops nothing."""

    by: str
    at: float
    source: LabelSource
    is_partial: bool = False


@dataclass
class Outcome:
    """What came of a batch: the reply, and how many samples of which (model, request) have another label now."""

    reply: LabelReply = field(default_factory=LabelReply)
    touched: Counter[tuple[str, str]] = field(default_factory=Counter)


class _Sample:
    """A sample's label as it is while a batch is applied."""

    def __init__(self, row: sa.RowMapping, says: dict[str, int | None]) -> None:
        self.id: str = row["id"]
        self.model: str = row["model"]
        self.request: str = row["request"]
        self.label: int | None = row["label"]
        self.number: int | None = row["label_number"]
        self.labelled_at: float | None = row["labelled_at"]
        self.by: str = row["labelled_by"]
        self.says = says  # the latest of each person

    @property
    def is_disputed(self) -> bool:
        """Whether two people say different things."""
        return len({label for label in self.says.values() if label is not None}) > 1


def apply(connection: sa.Connection, drafts: Sequence[LabelDraft], given: Given) -> Outcome:
    """Label samples in the order of the drafts. Raises UnknownSample and InvalidInput, and then changes nothing.

    A label that its sample has already, from the same person, is no news and not kept again.
    """
    for place, draft in enumerate(drafts):
        _check(draft, place)
    found = _Found(connection, drafts)
    _refuse_unknown(drafts, found, given)
    outcome = Outcome()
    counts: Counter[str] = Counter()
    unknown: list[str] = []
    for draft in drafts:
        samples = found.of(draft)
        for sample in samples:
            counts[_say(connection, sample, draft.label, given, outcome)] += 1
        if not samples and draft.reference and draft.label is not None:
            _wait(connection, draft, draft.label, given)
            counts["waiting"] += 1
        elif not samples:
            unknown.append(draft.sample or draft.reference)
    changed = list(found.all())
    _save(connection, changed)
    disputed = sum(sample.is_disputed for sample in changed)
    outcome.reply = LabelReply(**counts, disputed=disputed, unknown=tuple(unknown))
    return outcome


def join_waiting(connection: sa.Connection, model: str, references: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """Give new samples the labels that came before them; `references` by sample. Returns what was touched."""
    of, touched = table.waiting_label.c, Counter[tuple[str, str]]()
    wanted = sorted({reference for reference in references.values() if reference})
    for part in _parts(wanted):
        found = sa.or_(of.reference.in_(part), of.hashed.in_(part))
        query = sa.select(table.waiting_label).where(of.model == model, found)
        for row in connection.execute(query).mappings().all():
            named = [id for id, reference in references.items() if _means(row["reference"], reference)]
            drafts = [LabelDraft(sample=id, label=row["label"]) for id in named]
            given = Given(by=row["by"], at=row["at"], source=LabelSource(row["source"]))
            touched += apply(connection, drafts, given).touched
            connection.execute(
                sa.delete(table.waiting_label).where(of.model == model, of.reference == row["reference"])
            )
    return touched


def has_forgettable(connection: sa.Connection, now: float) -> bool:
    """Whether a label has waited too long for its sample."""
    query = sa.select(table.waiting_label.c.model).where(_has_waited_too_long(now)).limit(1)
    return connection.scalar(query) is not None


def forget_waiting(connection: sa.Connection, now: float) -> Counter[str]:
    """Delete labels whose samples have not come in time; returns how many of which model."""
    gone = sa.delete(table.waiting_label).where(_has_waited_too_long(now)).returning(table.waiting_label.c.model)
    return Counter(connection.scalars(gone))


def history(connection: sa.Connection, sample: str) -> list[LabelChange]:
    """Everything that was said of a sample, in the order of arrival; raises UnknownSample."""
    if connection.scalar(sa.select(table.sample.c.id).where(table.sample.c.id == sample)) is None:
        raise UnknownSample(f"there is no sample '{sample[:300]}'", field="sample")
    query = sa.select(table.label).where(table.label.c.sample == sample).order_by(table.label.c.number)
    return [to_record(row, LabelChange) for row in connection.execute(query).mappings()]


def progress(connection: sa.Connection, model: str) -> LabelProgress:
    """How far the labelling of a model's samples is."""
    of = table.sample.c
    query = sa.select(of.label, sa.func.count(), sa.func.sum(sa.cast(of.is_disputed, sa.Integer)))
    rows = connection.execute(query.where(of.model == model).group_by(of.label).order_by(of.label)).all()
    counts = {str(row[0]): int(row[1]) for row in rows if row[0] is not None}
    return LabelProgress(
        model=model,
        samples=sum(int(row[1]) for row in rows),
        labelled=sum(counts.values()),
        disputed=sum(int(row[2]) for row in rows),
        counts=counts,
    )


class _Found:
    """The samples that drafts name, each once however it is named."""

    def __init__(self, connection: sa.Connection, drafts: Sequence[LabelDraft]) -> None:
        self._samples: dict[str, _Sample] = {}
        self._named: dict[tuple[str, str], list[_Sample]] = defaultdict(list)
        ids = sorted({draft.sample for draft in drafts if draft.sample})
        for part in _parts(ids):
            self._take(connection, table.sample.c.id.in_(part))
        references: dict[str, set[str]] = defaultdict(set)
        for draft in drafts:
            if draft.reference:
                references[draft.model] |= {draft.reference, hashed_reference(draft.reference)}
        for model, names in references.items():
            for part in _parts(sorted(names)):
                self._take(connection, sa.and_(table.sample.c.model == model, table.sample.c.reference.in_(part)))

    def of(self, draft: LabelDraft) -> list[_Sample]:
        """The samples that a draft names."""
        if draft.sample:
            return [self._samples[draft.sample]] if draft.sample in self._samples else []
        names = (draft.reference, hashed_reference(draft.reference))
        return [sample for name in names for sample in self._named[(draft.model, name)]]

    def all(self) -> Iterable[_Sample]:
        """Each of them."""
        return self._samples.values()

    def _take(self, connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
        rows = connection.execute(sa.select(table.sample).where(where).order_by(table.sample.c.id)).mappings().all()
        says: dict[str, dict[str, int | None]] = defaultdict(dict)
        for part in _parts([row["id"] for row in rows]):
            query = sa.select(table.label).where(table.label.c.sample.in_(part)).order_by(table.label.c.number)
            for label in connection.execute(query).mappings():
                says[label["sample"]][label["by"]] = label["label"]
        for row in rows:
            if row["id"] not in self._samples:
                sample = self._samples[row["id"]] = _Sample(row, says[row["id"]])
                self._named[(sample.model, row["reference"])].append(sample)


def _means(waiting: str, reference: str) -> bool:
    """Whether a waiting label's reference is that of a sample, which may have been told hashed."""
    return bool(reference) and (waiting == reference or hashed_reference(waiting) == reference)


def _has_waited_too_long(now: float) -> sa.ColumnElement[bool]:
    return table.waiting_label.c.at <= now - MAX_WAIT_S


def _check(draft: LabelDraft, place: int) -> None:
    if bool(draft.sample) == bool(draft.reference):
        hint = "Name it by its id, or by its model and reference."
        raise InvalidInput("a label names one sample", field=f"labels[{place}].sample", hint=hint)
    if draft.reference and not draft.model:
        raise InvalidInput("a reference is one of a model", field=f"labels[{place}].model")
    if draft.label is not None and not 0 <= draft.label <= MAX_LABEL:
        raise InvalidInput(f"{draft.label} is the number of no class", field=f"labels[{place}].label")


def _refuse_unknown(drafts: Sequence[LabelDraft], found: _Found, given: Given) -> None:
    for place, draft in enumerate(drafts):
        if not given.is_partial and not found.of(draft):
            told = (
                f"sample '{draft.sample[:300]}'" if draft.sample else f"sample of reference '{draft.reference[:300]}'"
            )
            hint = "`edgewright data samples MODEL` lists them; --partial labels those that are known."
            field = f"labels[{place}].{'sample' if draft.sample else 'reference'}"
            raise UnknownSample(f"there is no {told}", field=field, hint=hint)


def _say(connection: sa.Connection, sample: _Sample, label: int | None, given: Given, outcome: Outcome) -> str:
    """Note what one person says of one sample; returns how that counts."""
    is_news = given.by not in sample.says or sample.says[given.by] != label
    if not is_news and sample.label == label:
        return "unchanged"
    previous, sample.label, sample.by = sample.label, label, given.by if label is not None else ""
    sample.says[given.by] = label
    row = {"sample": sample.id, "model": sample.model, "label": label, "previous": previous, "by": given.by}
    inserted = connection.execute(sa.insert(table.label).values(**row, at=given.at, source=given.source))
    if sample.number is None and label is not None:
        sample.number, sample.labelled_at = int((inserted.inserted_primary_key or (0,))[0]), given.at
    if previous == label:
        return "unchanged"  # another person says the same
    outcome.touched[(sample.model, sample.request)] += 1
    return "labelled" if previous is None else "changed"


def _save(connection: sa.Connection, samples: Sequence[_Sample]) -> None:
    of = table.sample.c
    update = sa.update(table.sample).where(of.id == sa.bindparam("at_id"))
    rows = [
        {
            "at_id": sample.id,
            "label": sample.label,
            "labelled_by": sample.by,
            "labelled_at": sample.labelled_at,
            "label_number": sample.number,
            "is_disputed": sample.is_disputed,
        }
        for sample in samples
    ]
    if rows:
        connection.execute(update, rows)


def _wait(connection: sa.Connection, draft: LabelDraft, label: int, given: Given) -> None:
    of = table.waiting_label.c
    connection.execute(sa.delete(table.waiting_label).where(of.model == draft.model, of.reference == draft.reference))
    row: dict[str, Any] = {"model": draft.model, "reference": draft.reference, "label": label, "by": given.by}
    row |= {"hashed": hashed_reference(draft.reference), "at": given.at, "source": given.source}
    connection.execute(sa.insert(table.waiting_label).values(row))


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE))
