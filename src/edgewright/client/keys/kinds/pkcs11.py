"""Keys in a PKCS#11 token (a smart card, a YubiKey, an HSM): ECDSA P-256, and never outside the token.

PYKCS11LIB names the token's library, EDGEWRIGHT_PKCS11_PIN its PIN, EDGEWRIGHT_PKCS11_TOKEN its label where there
are several. Needs the extra `edgewright[pkcs11]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from securesystemslib.exceptions import Error as LibraryError
from securesystemslib.signer import HSMSigner, Key, Signature, Signer

from edgewright import tokens
from edgewright.client.keys.kinds import KeyUnreadable, NoOperatorKeys, Vault

T = TypeVar("T")

LIBRARY, PIN, TOKEN = "PYKCS11LIB", "EDGEWRIGHT_PKCS11_PIN", "EDGEWRIGHT_PKCS11_TOKEN"


class Pkcs11Keys:
    """A key's place is the URI that securesystemslib gives it: 'hsm:3?label=operations'."""

    def __init__(self, vault: Vault) -> None:
        self._environment = vault.environment

    def make(self, name: str, scheme: str) -> tuple[str, Key]:
        """Have the token make a pair under the label `name`; the scheme is always ECDSA P-256."""
        label = self._environment.get(TOKEN)
        return _translated(lambda: self._make(name, label))

    def open(self, place: str, public: Key) -> Signer:
        """A signer that asks the token each time."""
        self._check_set()
        inner = _translated(lambda: HSMSigner.from_priv_key_uri(place, public, lambda _: self._environment[PIN]))
        return _TokenSigner(inner)

    def _make(self, name: str, label: str | None) -> tuple[str, Key]:
        self._check_set()
        token = tokens.find(self._environment[LIBRARY], label)
        with token.open(rw=True, user_pin=self._environment[PIN]) as session:
            number = tokens.make_pair(session, name)
        uri, public = HSMSigner.import_(number, token.label, lambda _: self._environment[PIN])
        return uri, public

    def _check_set(self) -> None:
        missing = [name for name in (LIBRARY, PIN) if not self._environment.get(name)]
        if missing:
            hint = f"Set it: {LIBRARY} names the token's library (libsofthsm2.so), {PIN} its PIN."
            raise NoOperatorKeys(f"{' and '.join(missing)} not set: the token cannot be asked", field="keys", hint=hint)


class _TokenSigner(Signer):
    """securesystemslib's signer, with the token's errors as ours."""

    def __init__(self, inner: HSMSigner) -> None:
        self._inner = inner

    @property
    def public_key(self) -> Key:
        return self._inner.public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: Callable[[str], str] | None = None
    ) -> _TokenSigner:
        return cls(HSMSigner.from_priv_key_uri(priv_key_uri, public_key, secrets_handler))

    def sign(self, payload: bytes) -> Signature:
        return _translated(lambda: self._inner.sign(payload))


def _translated(act: Callable[[], T]) -> T:
    try:
        with tokens.told():
            return act()
    except tokens.TokenLibraryMissing as error:
        raise NoOperatorKeys(error.message, field="keys", hint=error.hint) from error
    except tokens.TokenRefuses as error:
        raise KeyUnreadable(error.message, field="keys", hint=f"Check {LIBRARY} and {PIN}.") from error
    except (LibraryError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise KeyUnreadable(f"the token refuses: {why}", field="keys", hint=f"Check {LIBRARY} and {PIN}.") from error
