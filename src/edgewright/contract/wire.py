"""What may stand on the wire: bounded words and numbers, and one way to read them that names the field it refuses."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec

from edgewright.contract.errors import HostileInput

MAX_BLOB_BYTES = 8 * 1024**3
MAX_COUNT = 2**53 - 1  # what every JSON reader takes for the same whole number (RFC 8259 section 6)
LAST_MOMENT = 253_402_300_799.0  # the end of the year 9999: later times are no dates in Python
MAX_SPAN_S = 366 * 86_400.0

Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""A digest as it names blobs and files: nothing else may become part of a path."""
MaybeSha256 = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{64})?\Z")]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\Z")]
"""A name that cannot leave its folder: of a file, a target."""
ModelName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,39}\Z")]
HeaderWord = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._:~+/=-]{1,200}\Z")]
"""A nonce, a token or a device's id: what may stand in a header."""
Word = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=4000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
Ordinal = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
SizeBytes = Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOB_BYTES)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=LAST_MOMENT)]
"""Seconds since the epoch."""
Span = Annotated[float, msgspec.Meta(ge=0, le=MAX_SPAN_S)]
"""A time span in seconds, of at most a year."""
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

T = TypeVar("T")
_SETTLING = threading.Lock()
_PLACE = re.compile(r" - at `\$\.?(?P<field>[^`]*)`")


def read_json(data: bytes, kind: type[T], what: str) -> T:
    """Parse JSON as `kind`; raises HostileInput, which names the field, for anything else. `what`: 'an order'."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, OverflowError, RecursionError) as error:
        raise _refused(error, what) from error


def read_msgpack(data: bytes, kind: type[T], what: str) -> T:
    """As `read_json`, for MessagePack."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (ValueError, OverflowError, RecursionError) as error:
        raise _refused(error, what) from error


def settle(*kinds: type[msgspec.Struct]) -> None:
    """Have msgspec build now what it knows of these Structs, or of all that are imported.

    Else it does so at the first use of each, and not safely: of two threads that read one Struct for the first time at
    once, one may meet it half built, and the process dies of it (SIGSEGV; msgspec 0.22.0).
    """
    with _SETTLING:
        for kind in kinds or _below(msgspec.Struct):
            msgspec.json.Decoder(kind)


def _below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _refused(error: Exception, what: str) -> HostileInput:
    """MsgspecError and UnicodeDecodeError are ValueErrors."""
    found = _PLACE.search(str(error))
    field = found["field"] if found else ""
    return HostileInput(f"not {what}: {error}", field=field or what.rpartition(" ")[2])
