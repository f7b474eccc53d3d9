"""A device's own key: where it is kept is chosen when the device enrols, and then for good.

`file` is an Ed25519 key in DIR/device.key. `pkcs11:…` (RFC 7512) names an ECDSA P-256 key in a token: a TPM 2.0 through
tpm2-pkcs11, a smart card, an HSM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgewright.agent.keys.file import open_file
from edgewright.agent.keys.refusals import KeyChosen, KeyUnusable
from edgewright.contract.devicekey import DeviceKey
from edgewright.contract.errors import UsageError

__all__ = ["KeyChosen", "KeyUnusable", "check_place", "open_key"]

Opener = Callable[[Path, str, Mapping[str, str]], DeviceKey]


def open_key(root: Path, place: str, environment: Mapping[str, str]) -> DeviceKey:
    """The device's key, made on first use. `place` is as in the settings' `key`.

    Raises UsageError for a place that is none, InvalidInput for a damaged file. A token that is not there shows when
    the key is used, as KeyUnusable: an agent starts and serves without it.
    """
    return _opener(place)(root, place, environment)


def check_place(place: str) -> str:
    """The place, if it is one; raises UsageError."""
    if _opener(place) is _open_token:
        from edgewright.agent.keys.uri import parse

        parse(place)
    return place


def _open_token(_root: Path, place: str, environment: Mapping[str, str]) -> DeviceKey:
    from edgewright.agent.keys.token import TokenKey
    from edgewright.agent.keys.uri import parse

    return TokenKey(parse(place), environment)


_KINDS: dict[str, Opener] = {"file": open_file, "pkcs11": _open_token}


def _opener(place: str) -> Opener:
    kind = place.partition(":")[0]
    if kind not in _KINDS or (kind == "file" and place != "file"):
        raise UsageError(f"'{place}' is no place for a key", field="key", hint="It is 'file' or begins 'pkcs11:'.")
    return _KINDS[kind]
