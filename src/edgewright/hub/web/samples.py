"""Doors to captured samples: their labels, the policies that let them leave, the lake, and erasure."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

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
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/samples", sync_to_thread=True)
def samples(
    hub: TheHub,
    principal: Caller,
    model: FromQuery[str] = "",
    request_id: Annotated[str, QueryParameter(name="request")] = "",
    unlabelled: FromQuery[bool | None] = None,
    disputed: FromQuery[bool | None] = None,
) -> list[SampleRecord]:
    """Captured samples, oldest first; those without or with a label, or that people disagree on, where asked."""
    require(principal, Permission.READ)
    is_labelled = None if unlabelled is None else not unlabelled
    return hub.data.samples(model, request=request_id, is_labelled=is_labelled, is_disputed=disputed)


@post("/labels", status_code=200, sync_to_thread=True)
def label(
    data: JSONBody[list[LabelDraft]],
    hub: TheHub,
    principal: Caller,
    source: FromQuery[LabelSource] = LabelSource.API,
    partial: FromQuery[bool] = False,
    dry_run: DryRun = False,
) -> LabelReply:
    """Say what samples show: all or none, or with `partial` those that are known."""
    require(principal, Permission.LABEL)
    return hub.data.label(principal, data, source=source, is_partial=partial, dry_run=dry_run)


@get("/labels", sync_to_thread=True)
def history(hub: TheHub, principal: Caller, sample: FromQuery[str] = "") -> list[LabelChange]:
    """Everything that was said of one sample, in the order of arrival."""
    require(principal, Permission.READ)
    return hub.data.history(sample)


@get("/labels/progress", sync_to_thread=True)
def progress(hub: TheHub, principal: Caller, model: FromQuery[str] = "") -> LabelProgress:
    """How far the labelling of a model's samples is."""
    require(principal, Permission.READ)
    return hub.data.progress(model)


@get("/models/{model:str}/data-policy", sync_to_thread=True)
def data_policy(model: FromPath[str], hub: TheHub, principal: Caller) -> PolicyRecord:
    """What may be done with what a model's devices see."""
    require(principal, Permission.READ)
    return hub.data_policies.get(model)


@post("/models/{model:str}/data-policy", status_code=200, sync_to_thread=True)
def set_data_policy(
    model: FromPath[str], data: JSONBody[DataPolicy], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> PolicyRecord:
    """Set it: what it forbids holds at once, what it allows from the next release on."""
    require(principal, Permission.WRITE_MODELS)
    return hub.data_policies.put(principal, model, data, dry_run=dry_run)


@get("/lake", sync_to_thread=True)
def lake(hub: TheHub, principal: Caller) -> list[LakeRecord]:
    """The Delta Lake tables of samples and labels."""
    require(principal, Permission.READ)
    return hub.lake.describe()


@post("/erasures", status_code=200, sync_to_thread=True)
def erase(data: JSONBody[ErasureDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False) -> ErasureRecord:
    """Delete all samples of a person, and tell which snapshots and versions saw them."""
    require(principal, Permission.ERASE_DATA)
    return hub.erasures.erase(principal, data, dry_run=dry_run)


ROUTES = [samples, label, history, progress, data_policy, set_data_policy, lake, erase]
