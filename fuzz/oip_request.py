"""Fuzz target: a request for inference in the Open Inference Protocol, JSON and binary tensors.

The first two bytes are the length of the JSON, little-endian, as the header tells it.
"""

from __future__ import annotations

import contextlib
import random

from edgewright.agent.serve.oip.arrays import to_array, to_reply
from edgewright.agent.serve.oip.asked import MAX_ELEMENTS, Asked, read_asked
from edgewright.agent.serve.oip.messages import HEADER_LENGTH
from edgewright.contract.errors import HostileInput
from hostile.mutants import json_mutant


def consume(data: bytes) -> None:
    """What is read has the shape that it says, and is said again as it was."""
    length = int.from_bytes(data[:2], "little")
    try:
        asked = read_asked({HEADER_LENGTH: str(length)} if length else {}, data[2:])
        arrays = {tensor.name: to_array(tensor) for tensor in asked.inputs}
    except HostileInput:
        return
    for tensor in asked.inputs:
        assert arrays[tensor.name].shape == tensor.shape
        assert arrays[tensor.name].size <= MAX_ELEMENTS
    echo = Asked(asked.id, (), None, asked.wants_binary)
    reply = to_reply("echo", 1, echo, arrays)
    body = b"".join(bytes(part) for part in reply.body)
    assert len(body) >= sum(tensor.data.nbytes for tensor in asked.inputs if tensor.is_binary and asked.wants_binary)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A mutant of the JSON, with its length put right; the tensors stay, or lose a byte."""
    length = int.from_bytes(data[:2], "little")
    head, binary = (data[2 : 2 + length], data[2 + length :]) if length else (data[2:], b"")
    with contextlib.suppress(ValueError, RecursionError):
        head = json_mutant(chance, head)
    if chance.random() < 0.2:
        binary = binary[:-1]
    told = min(len(head), 0xFFFF) if length else 0
    return told.to_bytes(2, "little") + head + binary
