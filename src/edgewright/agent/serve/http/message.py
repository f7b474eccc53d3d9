"""A request as it came in, and a reply as it goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

Headers = Mapping[str, str]
Buffer = bytes | bytearray | memoryview

JSON_TYPE = ("content-type", "application/json")


class Request(NamedTuple):
    """A whole request. `path` is as sent, without its query; header names are in lower case."""

    method: str
    path: str
    headers: Headers
    body: bytes


class Reply(NamedTuple):
    """A whole reply; the parts of its body (views of single bytes) are sent one after the other."""

    status: int
    body: Sequence[Buffer] = ()
    headers: Sequence[tuple[str, str]] = ()


Handler = Callable[[Request], Reply | Awaitable[Reply]]


def json_reply(status: int, content: object) -> Reply:
    """A reply of JSON."""
    return Reply(status, (msgspec.json.encode(content),), (JSON_TYPE,))


def error_reply(status: int, message: str) -> Reply:
    """A refusal in the form of the Open Inference Protocol v2: `{"error": "..."}`."""
    return json_reply(status, {"error": message})
