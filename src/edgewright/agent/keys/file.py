"""A device's key in a file that only the agent's user may read. It is not encrypted: the device starts by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.contract.devicekey import SoftKey
from edgewright.contract.errors import InvalidInput
from edgewright.contract.whole import write_whole

KEY = "device.key"
BACKUP = "device.key.bak"


def open_file(root: Path, _place: str = "file", _environment: Mapping[str, str] | None = None) -> SoftKey:
    """The key in DIR/device.key, made on first use; it never leaves the folder.

    Of a damaged file the double counts. Raises InvalidInput where both are damaged.
    """
    path, double = root / KEY, root / BACKUP
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        root.mkdir(parents=True, exist_ok=True)
        for place in (double, path):
            write_whole(place, pem, mode=0o600)
    try:
        return _read(path)
    except InvalidInput:
        if not double.exists():
            raise
        return _read(double)


def _read(path: Path) -> SoftKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is not a private key", field=KEY, hint="Remove it and enrol anew.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} is not an Ed25519 key", field=KEY, hint="Remove it and enrol anew.")
    return SoftKey(key)
