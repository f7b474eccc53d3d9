"""Who this device is, as its hub knows it: DIR/identity.json."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract.errors import InvalidInput, UsageError

IDENTITY = "identity.json"
BACKUP = "identity.json.bak"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """This device, as its hub knows it."""

    device: str
    hub: str
    name: str
    labels: dict[str, str] = {}


class NotEnrolled(UsageError):
    """There is no identity in the folder yet, and no claim token to get one."""

    code = "not_enrolled"
    hint = "Run `edgewright-agent run --dir DIR --hub URL --claim TOKEN`; `edgewright device claim` makes a token."


def load_identity(root: Path) -> Identity | None:
    """The identity in `root`, or None; of a damaged file the double counts. Raises InvalidInput if both are damaged."""
    data = durable.read(root / IDENTITY)
    if data is None and not (root / IDENTITY).exists():
        return None
    try:
        return _decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return _decode(durable.read(root / BACKUP) or b"")
        raise InvalidInput(f"{root / IDENTITY}: {error}", field=IDENTITY, hint="Enrol this device anew.") from error


def save_identity(root: Path, identity: Identity) -> None:
    """Keep the identity, and its double."""
    for name in (BACKUP, IDENTITY):
        durable.replace(root / name, msgspec.json.encode(identity))


def _decode(data: bytes) -> Identity:
    return msgspec.json.decode(data, type=Identity)
