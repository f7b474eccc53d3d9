"""What a serving worker says on its standard output: one line of JSON, once it serves or knows that it cannot."""

from __future__ import annotations

import msgspec

from edgewright.agent.system.lines import MAX_LINE_BYTES
from edgewright.contract.errors import HostileInput

MAX_REASON_CHARS = 2000


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="ready"):
    """The package is loaded and warm, and requests are accepted."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="phase", tag="failed"):
    """The package does not load; the worker ends. `code` is that of the error."""

    reason: str
    code: str = ""


Phase = Ready | Failed


def decode_phase(line: bytes) -> Phase:
    """Read one line. Raises HostileInput: the worker ran a foreign model."""
    if len(line) > MAX_LINE_BYTES:
        raise HostileInput(f"a line of the worker has at most {MAX_LINE_BYTES} bytes, this one has {len(line)}")
    try:
        phase: Phase = msgspec.json.decode(line, type=Phase)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HostileInput(f"not a line of the worker: {error}") from error
    return phase
