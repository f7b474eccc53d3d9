"""PKCS #11 URIs (RFC 7512), as far as they name a device's key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from edgewright.contract.errors import UsageError

OBJECT = "edgewright-device"
MODULE, PIN_SOURCE = "module-path", "pin-source"
EXAMPLE = "pkcs11:token=edge;object=device?module-path=/usr/lib/libsofthsm2.so&pin-source=file:/etc/edgewright/pin"


@dataclass(frozen=True)
class TokenPlace:
    """A key in a token. `pin_file` None: the PIN is in the environment."""

    module: str
    token: str = ""
    label: str = OBJECT
    pin_file: Path | None = None


def parse(text: str) -> TokenPlace:
    """Read `pkcs11:token=T;object=O?module-path=P&pin-source=file:F`; raises UsageError that names what is off.

    A PIN itself is refused: settings and command lines are read by many.
    """
    path, _, query = text.removeprefix("pkcs11:").partition("?")
    names, options = _pairs(path, ";", ("token", "object")), _pairs(query, "&", (MODULE, PIN_SOURCE))
    if not options.get(MODULE, "").startswith("/"):
        raise _odd(f"{MODULE} does not name the token's library by its whole path")
    return TokenPlace(
        module=options[MODULE],
        token=names.get("token", ""),
        label=names.get("object", OBJECT),
        pin_file=_pin_file(options.get(PIN_SOURCE, "")),
    )


def _pairs(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name == "pin-value":
            raise _odd("a PIN does not belong into a URI; use pin-source=file:PATH, or EDGEWRIGHT_PKCS11_PIN")
        if name not in known or name in found or not value:
            raise _odd(f"'{part[:60]}' is not known here, or there twice")
        found[name] = unquote(value)
    return found


def _pin_file(source: str) -> Path | None:
    if not source:
        return None
    path = source.removeprefix("file:").removeprefix("//")
    if not path.startswith("/"):
        raise _odd(f"{PIN_SOURCE} is not file: and a whole path")
    return Path(path)


def _odd(why: str) -> UsageError:
    return UsageError(f"the key's URI: {why}", field="key", hint=f"For instance '{EXAMPLE}'.")
