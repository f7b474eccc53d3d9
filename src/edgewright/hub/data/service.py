"""Datasets as immutable snapshots, samples from the field, and the labels that people give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from edgewright.contract import report
from edgewright.contract.api import (
    LabelChange,
    LabelDraft,
    LabelProgress,
    LabelReply,
    LabelSource,
    SampleRecord,
    SnapshotDraft,
    SnapshotRecord,
)
from edgewright.hub.data.model import HOLDOUT, HOLDOUT_NEW, TRAIN, Answer, NothingLabelled
from edgewright.hub.data.samples import labels, store
from edgewright.hub.data.samples.store import Predicted, Scored, read_tensors
from edgewright.hub.data.snapshots import growing, marks
from edgewright.hub.data.snapshots.files import Snapshots
from edgewright.hub.govern import Principal


class Data(Snapshots):
    """Snapshots, and the samples that join them once people have labelled them."""

    def add_samples(
        self,
        connection: sa.Connection,
        device: str,
        samples: Sequence[report.Sample],
        predicted: Predicted = lambda sample: None,
        groups: Mapping[str, str] | None = None,
        *,
        scored: Scored = lambda sample: None,
    ) -> list[str]:
        """Keep samples that a device sent; one that is known already changes nothing. Returns all their ids.

        `predicted` says which class the version that answered chose, `scored` how sure it was; `groups` are those of
        the device itself. A device names its samples as it likes, so here they are named after it too: none reaches
        another's.
        """
        news = store.News(device, groups or {}, self._clock(), predicted, scored, self._blobs.put_bytes)
        touched = store.add(connection, news, samples)
        for (model, request), count in Counter((item.model, item.request) for item in samples).items():
            self._events.record(connection, "data.sample", request, model=model, count=count)
        self._tell_labelled(connection, touched)
        return [item.id for item in samples]

    def sample_ids(self, connection: sa.Connection, device: str, request: str) -> set[str]:
        """The ids of the samples that a device has sent for a request."""
        return store.ids_of(connection, device, request)

    def samples(
        self,
        model: str = "",
        *,
        request: str = "",
        unlabelled: bool = False,
        is_labelled: bool | None = None,
        is_disputed: bool | None = None,
        sample: str = "",
        limit: int | None = None,
    ) -> list[SampleRecord]:
        """Captured samples, oldest first; `unlabelled` is `is_labelled=False`."""
        asked = False if unlabelled else is_labelled
        with self._db.read() as connection:
            return store.find(
                connection,
                model,
                request=request,
                is_labelled=asked,
                is_disputed=is_disputed,
                sample=sample,
                limit=limit,
            )

    def answers(self, connection: sa.Connection, model: str, version: int, after: int = 0) -> Sequence[Answer]:
        """Each labelled sample of a version once, in the order in which their first labels came, those after `after`.

        Its label is the one that holds now; a sample whose label was withdrawn is left out.
        """
        return store.answers(connection, model, version, after)

    def label(
        self,
        principal: Principal,
        drafts: Sequence[LabelDraft],
        *,
        source: LabelSource = LabelSource.API,
        is_partial: bool = False,
        dry_run: bool = False,
    ) -> LabelReply:
        """Say what samples show; raises UnknownSample and InvalidInput, and then labels none.

        With `is_partial` what is known is labelled; a label by reference waits for its sample, and other names are
        told as unknown.
        """
        given = labels.Given(by=principal.name, at=self._clock(), source=source, is_partial=is_partial)
        with self._db.write() as connection:
            attempt = connection.begin_nested()
            outcome = labels.apply(connection, drafts, given)
            if dry_run:
                attempt.rollback()
                return outcome.reply
            attempt.commit()
            if outcome.touched:
                models = ", ".join(sorted({model for model, _ in outcome.touched}))
                count = outcome.touched.total()
                self._audit.record(connection, principal.name, "sample.label", models[:200], count=count, source=source)
            self._tell_labelled(connection, outcome.touched)
        return outcome.reply

    def history(self, sample: str) -> list[LabelChange]:
        """Everything that was said of a sample, in the order of arrival; raises UnknownSample."""
        with self._db.read() as connection:
            return labels.history(connection, sample)

    def progress(self, model: str) -> LabelProgress:
        """How far the labelling of a model's samples is."""
        with self._db.read() as connection:
            return labels.progress(connection, model)

    def _tell_labelled(self, connection: sa.Connection, touched: Counter[tuple[str, str]]) -> None:
        for (model, request), count in sorted(touched.items()):
            facts = {"model": model, "request": request, "count": count}
            self._events.record(connection, "data.labelled", model, **facts)

    def extend(self, principal: Principal, snapshot_id: str, model: str, request: str = "") -> SnapshotRecord:
        """A new snapshot: the old one, and the labelled samples of a request, or all of the model.

        The samples that were chosen because the model was unsure join the training rows. Those of the reservoir,
        which stand for the field as it is, become the hold-out of the new conditions; one whose reference is also
        among the training rows is left out, so that nothing is learned from the answers. A row that lies in any of
        these files already joins none. Where nothing new is left, the old snapshot is given back.
        """
        old = self.readable(snapshot_id)
        labelled = self.samples(model, request=request, is_labelled=True)
        if not labelled:
            told = f"no sample of request '{request}' has a label" if request else f"no sample of {model} has a label"
            raise NothingLabelled(told, field="request")
        files = {file.path: file for file in old.files}
        known = {path: self._read(files[path]) for path in (TRAIN, HOLDOUT, HOLDOUT_NEW) if path in files}
        grown = growing.grown(known, labelled, self._load)
        with self._db.write() as connection:  # first: a mark too many finds nothing, a row without one is not found
            marks.note(connection, grown.marks)
        if not grown.added:
            return old
        files |= {path: self._store(path, arrays) for path, arrays in grown.files.items()}
        note = f"{grown.added} labelled samples of {request or model}"
        note += f", {grown.left_out} left out that it has or that would leak" if grown.left_out else ""
        draft = SnapshotDraft(dataset=old.dataset, files=tuple(files.values()), parent=old.id, note=note)
        return self.create(principal, draft, added=grown.added, request=request)

    def _load(self, sample: SampleRecord) -> Mapping[str, np.ndarray]:
        return read_tensors(self._blobs.path(sample.sha256).read_bytes())
