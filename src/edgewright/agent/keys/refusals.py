"""What can be wrong with a device's key."""

from __future__ import annotations

from edgewright.contract.errors import Conflict, Unreachable


class KeyUnusable(Unreachable):
    """The key cannot be used for now: its token is away, or does not take the PIN."""

    code = "key_unusable"
    hint = "`edgewright-agent doctor` asks the token step by step."


class KeyChosen(Conflict):
    """The device is enrolled with another key."""

    code = "key_chosen"
    hint = "A device keeps the key that it enrolled with: enrol anew, in another folder, for another key."
