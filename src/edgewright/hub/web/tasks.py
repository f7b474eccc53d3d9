"""Doors of one attempt at one task, opened by its grant: inputs out, signs of life, outputs and the outcome in."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from edgewright.contract.api.tasks import Finished
from edgewright.contract.api.workers import Beat, BeatReply, GivenBack, Stored, TaskRecord
from edgewright.contract.wire import MAX_BLOB_BYTES, read_json
from edgewright.hub.automate.executors.describing import encoded
from edgewright.hub.automate.executors.model import TooMuchOutput
from edgewright.hub.web.arguments import TheHub
from edgewright.hub.web.files import Digest
from edgewright.hub.web.streaming import OCTETS, ask_of, chunks_of

Grant = Annotated[str, QueryParameter(description="What opens this door, for one attempt at one task")]
MAX_ANSWER_BYTES = 4 * 1024**2


@get("/tasks/{id:str}/described", sync_to_thread=True)
def described(id: FromPath[str], hub: TheHub, grant: Grant) -> Response[bytes]:
    """The task with links for a machine that knows nothing of Edgewright."""
    record, task = hub.executors.tasks.described(id, grant)
    body = encoded(hub.executors.links.describe(record, task))
    return Response(body, media_type="application/json")


@get("/tasks/{id:str}/inputs/{sha256:str}", sync_to_thread=True)
def task_input(
    id: FromPath[str], sha256: Digest, request: Request[Any, Any, Any], hub: TheHub, grant: Grant
) -> Response[Any]:
    """The bytes of an input, or the range that is asked for."""
    hub.executors.tasks.may_read(id, grant, sha256)
    answer = hub.serving.answer(sha256, ask_of(request.headers))
    headers = dict(answer.headers)
    if answer.file is None:
        return Response(b"", status_code=answer.status, headers=headers, media_type=OCTETS)
    headers["content-length"] = str(answer.length)
    return Stream(chunks_of(answer), status_code=answer.status, headers=headers, media_type=OCTETS)


@put("/tasks/{id:str}/outputs/{sha256:str}", request_max_body_size=MAX_BLOB_BYTES)
async def task_output(
    id: FromPath[str], sha256: Digest, request: Request[Any, Any, Any], hub: TheHub, grant: Grant
) -> Stored:
    """Store an output, checked against its digest and the task's limit while it streams."""
    room_bytes = await asyncio.to_thread(hub.executors.tasks.room_bytes, id, grant)
    come = 0
    with hub.blobs.draft() as draft:
        async for chunk in request.stream():
            come += len(chunk)
            if come > room_bytes:
                raise TooMuchOutput(f"no more than {room_bytes:,} bytes may still come", field="body")
            await asyncio.to_thread(draft.write, chunk)
        await asyncio.to_thread(draft.keep, sha256)
    stored = Stored(sha256=sha256, size_bytes=come)
    await asyncio.to_thread(hub.executors.tasks.bring, id, grant, stored)
    return stored


@post("/tasks/{id:str}/beat", status_code=200, sync_to_thread=True)
def beat(id: FromPath[str], data: JSONBody[Beat], hub: TheHub, grant: Grant) -> BeatReply:
    """A sign of life, with what the command has said."""
    return hub.executors.tasks.beat(id, grant, data)


@post("/tasks/{id:str}/end", status_code=200, request_max_body_size=MAX_ANSWER_BYTES)
async def end(id: FromPath[str], request: Request[Any, Any, Any], hub: TheHub, grant: Grant) -> TaskRecord:
    """How the task ended; the first answer counts, and may be repeated. One's own CI signs it."""
    body = await request.body()
    kind = (await asyncio.to_thread(hub.executors.tasks.get, id)).where.kind
    hub.executors.check_answer(kind, dict(request.headers), body)
    finished = read_json(body, Finished, "an outcome")
    return await asyncio.to_thread(hub.executors.tasks.end, id, grant, finished)


@post("/tasks/{id:str}/give-back", status_code=200, sync_to_thread=True)
def give_back(id: FromPath[str], data: JSONBody[GivenBack], hub: TheHub, grant: Grant) -> TaskRecord:
    """Let another do the task."""
    return hub.executors.tasks.give_back(id, grant, data.why)


ROUTES = [described, task_input, task_output, beat, end, give_back]
