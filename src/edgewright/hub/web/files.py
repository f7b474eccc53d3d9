"""Doors to bytes and data: blobs and snapshots."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get, head, post, put
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter
from litestar.response import Stream

from edgewright.contract.api import SnapshotDiff, SnapshotDraft, SnapshotRecord
from edgewright.contract.wire import MAX_BLOB_BYTES
from edgewright.hub.govern import Permission, require
from edgewright.hub.web.arguments import Caller, DryRun, TheHub
from edgewright.hub.web.streaming import OCTETS, ask_of, chunks_of

Digest = Annotated[str, PathParameter(description="SHA-256, 64 lower-case hexadecimal digits")]


@head("/blobs/{sha256:str}", sync_to_thread=True)
def blob_exists(sha256: Digest, hub: TheHub, principal: Caller) -> None:
    """200 if the hub has these bytes, else 404."""
    require(principal, Permission.READ)
    hub.blobs.path(sha256)


@get("/blobs/{sha256:str}", sync_to_thread=True)
def blob(sha256: Digest, request: Request[Any, Any, Any], hub: TheHub, principal: Caller) -> Response[Any]:
    """The bytes of a blob, or the range that is asked for; served as the hub's settings say, also by redirect."""
    require(principal, Permission.READ)
    answer = hub.serving.answer(sha256, ask_of(request.headers))
    headers = dict(answer.headers)
    if answer.file is None:
        return Response(b"", status_code=answer.status, headers=headers, media_type=OCTETS)
    headers["content-length"] = str(answer.length)
    return Stream(chunks_of(answer), status_code=answer.status, headers=headers, media_type=OCTETS)


@put("/blobs/{sha256:str}", request_max_body_size=MAX_BLOB_BYTES)
async def upload_blob(
    sha256: Digest, request: Request[Any, Any, Any], hub: TheHub, principal: Caller
) -> Response[dict[str, Any]]:
    """Store the body, checked against its digest while it streams: 201 if it is new, 200 if it was known."""
    require(principal, Permission.WRITE_DATA)
    if hub.blobs.exists(sha256):
        return Response({"sha256": sha256, "is_new": False}, status_code=200)
    with hub.blobs.draft() as draft:
        async for chunk in request.stream():
            await asyncio.to_thread(draft.write, chunk)  # a thread for each piece: a slow sender holds none
        await asyncio.to_thread(draft.keep, sha256)
    return Response({"sha256": sha256, "is_new": True}, status_code=201)


@post("/snapshots", sync_to_thread=True)
def create_snapshot(
    data: JSONBody[SnapshotDraft], hub: TheHub, principal: Caller, dry_run: DryRun = False
) -> SnapshotRecord:
    """Keep uploaded files as a snapshot of a dataset."""
    require(principal, Permission.WRITE_DATA)
    return hub.data.create(principal, data, dry_run=dry_run)


@get("/snapshots", sync_to_thread=True)
def snapshots(hub: TheHub, principal: Caller, dataset: FromQuery[str] = "") -> list[SnapshotRecord]:
    """Snapshots, oldest first."""
    require(principal, Permission.READ)
    return hub.data.snapshots(dataset)


@get("/snapshots/{dataset:str}/{number:int}", sync_to_thread=True)
def snapshot(dataset: FromPath[str], number: FromPath[int], hub: TheHub, principal: Caller) -> SnapshotRecord:
    """One snapshot."""
    require(principal, Permission.READ)
    return hub.data.snapshot(f"{dataset}@{number}")


@get("/snapshots/diff", sync_to_thread=True)
def snapshot_diff(
    hub: TheHub, principal: Caller, before: FromQuery[str] = "", after: FromQuery[str] = ""
) -> SnapshotDiff:
    """How two snapshots differ: files by name, rows by content."""
    require(principal, Permission.READ)
    return hub.data.diff(before, after)


ROUTES = [blob_exists, blob, upload_blob, create_snapshot, snapshots, snapshot, snapshot_diff]
