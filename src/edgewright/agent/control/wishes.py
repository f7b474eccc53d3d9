"""What may be asked of a running agent, and the lines that carry it: `{"wish":"roll_back","model":"defects"}`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.contract.errors import EdgewrightError, ErrorBody, HostileInput, to_body
from edgewright.contract.wire import ModelName

MAX_WISH_BYTES = 16 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024

Reason = Annotated[str, msgspec.Meta(max_length=500)]
Place = Annotated[str, msgspec.Meta(max_length=4096, pattern=r"\A/[^\0]*\Z")]


class _Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="wish"):
    pass


class RollBack(_Wish, frozen=True, tag="roll_back"):
    """Go back to the package in the spare slot, now; the hub hears of it when it can."""

    model: ModelName
    reason: Reason = ""


class ImportBundle(_Wish, frozen=True, tag="import_bundle"):
    """Install from the bundle in that folder."""

    folder: Place


class Reload(_Wish, frozen=True, tag="reload"):
    """Take the settings as they are in agent.json now."""


class Flush(_Wish, frozen=True, tag="flush"):
    """Check in and send what waits, now."""


class Live(_Wish, frozen=True, tag="live"):
    """Say what only the running agent knows."""


class Load(_Wish, frozen=True, tag="load"):
    """Start the model's worker, before anybody asks it anything."""

    model: ModelName


class Unload(_Wish, frozen=True, tag="unload"):
    """End the model's worker, until somebody asks it something."""

    model: ModelName


Wish = RollBack | ImportBundle | Reload | Flush | Live | Load | Unload


_DECODER: msgspec.json.Decoder[Wish] = msgspec.json.Decoder(Wish)


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes back: `result`, or an `error` with the exit code that goes with it."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorBody | None = None
    exit_code: int = 0


def decode_wish(line: bytes) -> Wish:
    """Parse a wish; raises HostileInput."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HostileInput(f"this is no wish: {error}", field="wish") from error


def encode_answer(result: object) -> bytes:
    """The line that says how it went; too long a result becomes an error."""
    body = msgspec.json.encode(result)
    if len(body) > MAX_ANSWER_BYTES - 100:
        return encode_error(HostileInput(f"the answer is longer than {MAX_ANSWER_BYTES} bytes"))
    return msgspec.json.encode(Answer(result=msgspec.Raw(body))) + b"\n"


def encode_error(error: BaseException) -> bytes:
    """The line that says why not."""
    told = error if isinstance(error, EdgewrightError) else EdgewrightError(f"{type(error).__name__}: {error}")
    return msgspec.json.encode(Answer(error=to_body(told).error, exit_code=told.exit_code)) + b"\n"
