"""Keys in a PKCS#11 token (a smart card, a YubiKey, an HSM): ECDSA P-256, and never outside the token.

PYKCS11LIB names the token's library, EDGEWRIGHT_PKCS11_PIN its PIN, EDGEWRIGHT_PKCS11_TOKEN its label where there
are several. Needs the extra `edgewright[pkcs11]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from securesystemslib.exceptions import Error as LibraryError
from securesystemslib.signer import HSMSigner, Key, Signature, Signer

from edgewright.client.keys.kinds import KeyUnreadable, NoOperatorKeys, Vault
from edgewright.contract.errors import Conflict

if TYPE_CHECKING:
    from pkcs11 import Session

T = TypeVar("T")

CURVE = "secp256r1"
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
        import pkcs11

        self._check_set()
        library = pkcs11.lib(self._environment[LIBRARY])
        token = library.get_token(token_label=label, token_flags=pkcs11.TokenFlag.TOKEN_INITIALIZED)
        with token.open(rw=True, user_pin=self._environment[PIN]) as session:
            number = _generate(session, name)
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


def _generate(session: Session, name: str) -> int:
    """Make a pair on the token and return its number, one above all that are there."""
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
    from pkcs11.util import biginteger
    from pkcs11.util.ec import encode_named_curve_parameters

    keys = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
    if any(key[Attribute.LABEL] == name for key in keys):
        raise Conflict(f"the token holds a key '{name}' already", field="name")
    number = max([1, *(int.from_bytes(key[Attribute.ID], "big") for key in keys)]) + 1
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(CURVE)}
    parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
    how = Mechanism.EC_KEY_PAIR_GEN
    parameters.generate_keypair(mechanism=how, id=biginteger(number), label=name, store=True)
    return number


def _translated(act: Callable[[], T]) -> T:
    try:
        import pkcs11
    except ImportError as error:
        hint = "Install it: pip install 'edgewright[pkcs11]'"
        raise NoOperatorKeys("what talks to PKCS#11 tokens is not installed", field="keys", hint=hint) from error
    try:
        return act()
    except (pkcs11.PKCS11Error, LibraryError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise KeyUnreadable(f"the token refuses: {why}", field="keys", hint=f"Check {LIBRARY} and {PIN}.") from error
