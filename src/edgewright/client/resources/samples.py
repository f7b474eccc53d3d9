"""Captured samples, what people say they show, what may be done with them, and their end."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.client.transport import Transport
from edgewright.contract.api import (
    ErasureDraft,
    ErasureRecord,
    LabelChange,
    LabelDraft,
    LabelProgress,
    LabelReply,
    LabelSource,
    LakeRecord,
    PolicyRecord,
    SampleRecord,
)
from edgewright.contract.data_policy import DataPolicy

LABELS_AT_ONCE = 1000


class Labels:
    """Captured samples, and what people say they show."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def samples(
        self, model: str, unlabelled: bool | None = None, request: str = "", *, disputed: bool | None = None
    ) -> tuple[SampleRecord, ...]:
        """The samples of a model; with `unlabelled` only those without (True) or with (False) a label."""
        asked = {"unlabelled": unlabelled, "disputed": disputed}
        query = {name: value for name, value in asked.items() if value is not None}
        return self._hub.get("samples", into=tuple[SampleRecord, ...], model=model, request=request, **query)

    def put(
        self,
        labels: Sequence[LabelDraft],
        *,
        source: LabelSource = LabelSource.API,
        partial: bool = False,
        dry_run: bool = False,
    ) -> LabelReply:
        """Label samples, all or none; with `partial` those that are known, while references wait for their samples."""
        query = {"source": source.value, "partial": "true" if partial else "false"}
        return self._hub.post("labels", body=labels, into=LabelReply, dry_run=dry_run, **query)

    def history(self, sample: str) -> tuple[LabelChange, ...]:
        """Everything that was said of a sample, in the order of arrival."""
        return self._hub.get("labels", into=tuple[LabelChange, ...], sample=sample)

    def progress(self, model: str) -> LabelProgress:
        """How far the labelling of a model's samples is."""
        return self._hub.get("labels", "progress", into=LabelProgress, model=model)


class DataPolicies:
    """What may be done with what a model's devices see."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def get(self, model: str) -> PolicyRecord:
        """The policy of a model; one that lets nothing leave where nobody has set any."""
        return self._hub.get("models", model, "data-policy", into=PolicyRecord)

    def put(self, model: str, policy: DataPolicy, *, dry_run: bool = False) -> PolicyRecord:
        """Set it. What it forbids holds at once; what it allows, from the next release on."""
        return self._hub.post("models", model, "data-policy", body=policy, into=PolicyRecord, dry_run=dry_run)


class Lake:
    """The Delta Lake tables, and how to have data deleted from everywhere."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def tables(self) -> tuple[LakeRecord, ...]:
        """Each table: where it is, how large."""
        return self._hub.get("lake", into=tuple[LakeRecord, ...])

    def erase(self, draft: ErasureDraft, *, dry_run: bool = False) -> ErasureRecord:
        """Delete a person's samples everywhere, or tell what would go."""
        return self._hub.post("erasures", body=draft, into=ErasureRecord, dry_run=dry_run)
