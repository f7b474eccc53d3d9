"""Who this device is, as its hub knows it: DIR/identity.json."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.contract.errors import InvalidInput, UsageError

IDENTITY = "identity.json"


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
    """The identity in `root`, or None; raises InvalidInput if the file is damaged."""
    try:
        return msgspec.json.decode((root / IDENTITY).read_bytes(), type=Identity)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{root / IDENTITY}: {error}", field=IDENTITY, hint="Enrol this device anew.") from error


def save_identity(root: Path, identity: Identity) -> None:
    """Keep the identity."""
    durable.replace(root / IDENTITY, msgspec.json.encode(identity))
