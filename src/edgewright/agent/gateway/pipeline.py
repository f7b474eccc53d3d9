"""A pipeline behind the protocol: asks two workers one after the other and passes tensors on as bytes.

What is connected travels as binary data; everything else in the form that the client asked for. See disk/pipelines.py
for what goes in and comes out.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from edgewright.agent.disk import pipelines
from edgewright.agent.disk.pipelines import PipelineSpec
from edgewright.agent.gateway.models import Folder
from edgewright.agent.serve.http import JSON_TYPE, Reply, Request
from edgewright.agent.serve.oip.asked import Asked, Tensor, read_asked, read_tensors, read_words, split
from edgewright.agent.serve.oip.messages import (
    BINARY_TYPE,
    HEADER_LENGTH,
    Datatype,
    InferReply,
    Input,
    InputParameters,
    ModelMetadata,
    Output,
    metadata_of,
)
from edgewright.contract.errors import HostileInput, InvalidInput, Unreachable
from edgewright.contract.manifest import Manifest
from edgewright.contract.tensors import Contract

Ask = Callable[[str, Request], Awaitable[Reply]]


class StageFailed(Exception):
    """A stage has refused; its reply says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Joined(NamedTuple):
    """A pipeline of two packages as they are now."""

    name: str
    spec: PipelineSpec
    packages: tuple[Manifest, Manifest]
    contract: Contract

    @property
    def version(self) -> str:
        """Those of both."""
        return "-".join(str(package.version) for package in self.packages)


def find(folder: Folder, name: str, spec: PipelineSpec) -> Joined:
    """The pipeline, if both models are installed and fit together. Raises Unreachable."""
    first, second = (_installed(folder, name, stage) for stage in spec.stages)
    try:
        return Joined(name, spec, (first, second), pipelines.join(first.contract, second.contract, spec.connect))
    except InvalidInput as error:
        raise Unreachable(f"the pipeline {name} cannot work: {error.message}", field=error.field) from error


def describe(joined: Joined) -> ModelMetadata:
    """The two as one model."""
    return ModelMetadata(
        name=joined.name,
        versions=(joined.version,),
        platform="pipeline",
        inputs=tuple(metadata_of(spec) for spec in joined.contract.inputs),
        outputs=tuple(metadata_of(spec) for spec in joined.contract.outputs),
    )


async def infer(joined: Joined, request: Request, ask: Ask) -> Reply:
    """Answer a request for inference. Raises HostileInput, or what `ask` raises."""
    asked = read_asked(request.headers, request.body)
    wanted = _wanted(joined, asked)
    first, second = (package.contract for package in joined.packages)
    try:
        found = await _stage(joined, 0, asked, _of(first, asked.inputs), _outputs_of_first(joined, wanted), ask)
        by_name = {tensor.name: tensor for tensor in found}
        passed = [by_name[source]._replace(name=name) for name, source in joined.spec.connect.items()]
        others = [tensor for tensor in _of(second, asked.inputs) if tensor.name not in joined.spec.connect]
        own = {spec.name for spec in second.outputs}
        last = {name: is_binary for name, is_binary in wanted.items() if name in own}
        answer = await _stage(joined, 1, asked, [*passed, *others], last, ask)
    except StageFailed as failed:
        return failed.reply
    by_name |= {tensor.name: tensor for tensor in answer}
    return _reply(joined, asked, [_in_form(by_name[name], is_binary) for name, is_binary in wanted.items()])


async def _stage(
    joined: Joined, number: int, asked: Asked, tensors: Iterable[Tensor], wanted: dict[str, bool], ask: Ask
) -> tuple[Tensor, ...]:
    """Ask one of the two. Raises StageFailed with what it said."""
    described, parts = _written(tensors)
    outputs = [{"name": name, "parameters": {"binary_data": is_binary}} for name, is_binary in wanted.items()]
    content: dict[str, Any] = {"inputs": described, "outputs": outputs}
    head = msgspec.json.encode(content if asked.id is None else content | {"id": asked.id})
    headers = {"content-type": BINARY_TYPE[1], HEADER_LENGTH: str(len(head))}
    model = joined.spec.stages[number]
    version = joined.packages[number].version
    path = f"/v2/models/{model}/versions/{version}/infer"
    reply = await ask(model, Request("POST", path, headers, b"".join((head, *parts))))
    if reply.status != 200:
        raise StageFailed(reply._replace(body=(_blamed(model, b"".join(bytes(part) for part in reply.body)),)))
    return _read(reply, model)


def _read(reply: Reply, model: str) -> tuple[Tensor, ...]:
    try:
        head, binary = split(dict(reply.headers), b"".join(bytes(part) for part in reply.body))
        return read_tensors(_REPLY.decode(head).outputs, binary, "outputs")
    except (HostileInput, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreachable(f"the worker of {model} does not answer in the protocol: {error}") from error


class _Answer(msgspec.Struct, frozen=True):
    outputs: tuple[Input, ...]


def _installed(folder: Folder, name: str, stage: str) -> Manifest:
    manifest = folder.manifest(stage)
    if manifest is None:
        raise Unreachable(f"the pipeline {name} needs the model {stage}, which is not installed yet", field="model")
    return manifest


def _wanted(joined: Joined, asked: Asked) -> dict[str, bool]:
    """The outputs to answer with, and whether in bytes. Raises HostileInput, also for inputs that are none."""
    known = [spec.name for spec in joined.contract.outputs]
    taken = {spec.name for spec in joined.contract.inputs}
    for tensor in asked.inputs:
        if tensor.name not in taken:
            field = f"{tensor.field}.name"
            raise HostileInput(f"{field}: the pipeline has no input '{tensor.name[:80]}'", field=field)
    for place, name in enumerate(asked.outputs or ()):
        if name not in known:
            field = f"outputs[{place}].name"
            told = f"{field}: the pipeline has no output '{name[:80]}'; it has {', '.join(known)}"
            raise HostileInput(told, field=field)
    return asked.outputs if asked.outputs is not None else dict.fromkeys(known, asked.wants_binary)


def _outputs_of_first(joined: Joined, wanted: dict[str, bool]) -> dict[str, bool]:
    own = {spec.name for spec in joined.packages[0].contract.outputs}
    later = {spec.name for spec in joined.packages[1].contract.outputs}
    outputs = {name: is_binary for name, is_binary in wanted.items() if name in own - later}
    return outputs | dict.fromkeys(joined.spec.connect.values(), True)


def _of(contract: Contract, tensors: Iterable[Tensor]) -> list[Tensor]:
    taken = {spec.name for spec in contract.inputs}
    return [tensor for tensor in tensors if tensor.name in taken]


def _written(tensors: Iterable[Tensor]) -> tuple[list[Output], list[memoryview]]:
    described, parts = [], []
    for tensor in tensors:
        if tensor.is_binary:
            parts.append(tensor.data)
            size = InputParameters(binary_data_size=tensor.data.nbytes)
            output = Output(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, parameters=size)
        else:
            data = msgspec.Raw(bytes(tensor.data))
            output = Output(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, data=data)
        described.append(output)
    return described, parts


def _in_form(tensor: Tensor, is_binary: bool) -> Tensor:
    """A connected output came as bytes, whatever the client wants."""
    if is_binary or not tensor.is_binary:
        return tensor
    if tensor.datatype is Datatype.BYTES:
        values: Sequence[object] = read_words(tensor)
    else:
        values = struct.unpack(f"<{tensor.elements}{_CODES[tensor.datatype]}", tensor.data)
    return tensor._replace(data=memoryview(msgspec.json.encode(values)), is_binary=False)


def _reply(joined: Joined, asked: Asked, tensors: list[Tensor]) -> Reply:
    described, parts = _written(tensors)
    told = InferReply(
        model_name=joined.name,
        model_version=joined.version,
        outputs=described,
        id=msgspec.UNSET if asked.id is None else asked.id,
    )
    head = msgspec.json.encode(told)
    if not parts:
        return Reply(200, (head,), (JSON_TYPE,))
    return Reply(200, (head, *parts), (BINARY_TYPE, (HEADER_LENGTH, str(len(head)))))


def _blamed(model: str, body: bytes) -> bytes:
    """A stage's refusal, with its name."""
    try:
        error = msgspec.json.decode(body, type=dict[str, str]).get("error", "")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        error = "it refused"
    return msgspec.json.encode({"error": f"{model}: {error}"})


_CODES = {
    Datatype.BOOL: "?",
    Datatype.UINT8: "B",
    Datatype.UINT16: "H",
    Datatype.UINT32: "I",
    Datatype.UINT64: "Q",
    Datatype.INT8: "b",
    Datatype.INT16: "h",
    Datatype.INT32: "i",
    Datatype.INT64: "q",
    Datatype.FP16: "e",
    Datatype.FP32: "f",
    Datatype.FP64: "d",
}
_REPLY = msgspec.json.Decoder(_Answer)
