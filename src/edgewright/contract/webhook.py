"""Signed webhooks after the Standard Webhooks specification 1.0: HMAC-SHA-256 over id, time and body.

The headers are `webhook-id`, `webhook-timestamp` (whole seconds since the epoch) and `webhook-signature`, which holds
`v1,` and the signature in base64 of `ID.TIMESTAMP.BODY`; several are separated by spaces. A secret is written
`whsec_` and 24 to 64 bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from edgewright.contract.errors import HostileInput, InvalidInput

PREFIX = "whsec_"
TOLERANCE_S = 300.0
KEY_BYTES = (24, 64)
MADE_BYTES = 32


def secret_of(key: bytes) -> str:
    """A key as people carry it."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key of a written secret; raises InvalidInput, which does not repeat it."""
    least, most = KEY_BYTES
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("the secret is not in base64", field="secret", hint=_HINT) from error
    if not secret.startswith(PREFIX) or not least <= len(key) <= most:
        raise InvalidInput(f"a secret is {PREFIX} and {least} to {most} bytes in base64", field="secret", hint=_HINT)
    return key


def sign(secret: str, id: str, at: float, body: bytes) -> dict[str, str]:
    """The headers of a webhook; the same `id` for every try, so that a receiver can tell a repetition."""
    stamp = str(int(at))
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{_mac(secret, id, stamp, body)}"}


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a webhook that was signed with `secret` within five minutes of `now`; raises HostileInput.

    `headers` are by lower-case name. Whoever acts on it remembers the id, for that time, against a replay.
    """
    id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise HostileInput("the webhook has no id or no time", field="webhook-timestamp")
    if abs(now - int(stamp)) > TOLERANCE_S:
        raise HostileInput("the webhook was not sent in the last five minutes", field="webhook-timestamp")
    wanted = f"v1,{_mac(secret, id, stamp, body)}".encode()
    given = headers.get("webhook-signature", "").encode("utf-8", "replace").split(b" ")
    if not any(hmac.compare_digest(wanted, one) for one in given):
        raise HostileInput("the webhook's signature is not that of its body", field="webhook-signature")
    return id


_HINT = "Leave it out, and one is made."


def _mac(secret: str, id: str, stamp: str, body: bytes) -> str:
    signed = b".".join([id.encode("utf-8", "replace"), stamp.encode(), body])
    return base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()
