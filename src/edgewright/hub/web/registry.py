"""Doors to models: versions, variants."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from edgewright.contract.api import (
    ModelRecord,
    VariantRecord,
    VersionDraft,
    VersionRecord,
)
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub


@get("/models", sync_to_thread=True)
def models(hub: TheHub, principal: Caller) -> list[ModelRecord]:
    """Every model with its versions."""
    require(principal, Permission.READ)
    return hub.registry.models()


@get("/models/{name:str}", sync_to_thread=True)
def model(name: FromPath[str], hub: TheHub, principal: Caller) -> ModelRecord:
    """One model with its versions."""
    require(principal, Permission.READ)
    return hub.registry.model(name)


@post("/models/{name:str}/versions", sync_to_thread=True)
def register(
    name: FromPath[str], data: JSONBody[VersionDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> VersionRecord:
    """Register an uploaded ONNX file as the model's next version."""
    require(principal, Permission.WRITE_MODELS)
    return hub.registry.register(principal, name, data, dry_run=dry_run)


@get("/models/{name:str}/versions/{number:int}", sync_to_thread=True)
def version(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> VersionRecord:
    """One version."""
    require(principal, Permission.READ)
    return hub.registry.version(name, number)


@get("/models/{name:str}/versions/{number:int}/variants", sync_to_thread=True)
def variants(name: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> list[VariantRecord]:
    """The variants of a version."""
    require(principal, Permission.READ)
    hub.registry.version(name, number)
    return hub.registry.variants(name, number)


ROUTES = [models, model, register, version, variants]
