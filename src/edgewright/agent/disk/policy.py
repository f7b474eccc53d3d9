"""What the supervisor tells apps in process about one model: policy.json in the model's folder."""

from __future__ import annotations

import msgspec

NAME = "policy.json"


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """Choose `budget` samples for the collect order `request`, once; each goes through the command `redactor`."""

    request: str
    budget: int
    redactor: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`shadow_socket` is the path to send copies of requests to ("" for none); windows close after `window_s`."""

    sampling: Sampling | None = None
    shadow_socket: str = ""
    window_s: float = 60.0


def encode(policy: Policy) -> bytes:
    """The bytes of policy.json."""
    return msgspec.json.encode(policy)


def decode(data: bytes) -> Policy:
    """Parse policy.json; raises msgspec.MsgspecError."""
    return msgspec.json.decode(data, type=Policy)
