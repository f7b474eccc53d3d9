"""PKCS#11 tokens (TPMs, smart cards, HSMs): finding one, and having it make a P-256 pair that never leaves it.

For people's keys (client/keys/kinds/pkcs11.py) and for devices' (agent/keys/token.py). Needs `edgewright[pkcs11]`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgewright.contract.errors import Conflict, Refused

if TYPE_CHECKING:
    from pkcs11 import Session, Token

CURVE = "secp256r1"


class TokenLibraryMissing(Refused):
    """What talks to PKCS#11 tokens is not installed."""

    code = "token_library_missing"
    hint = "Install it: pip install 'edgewright[pkcs11]'"


class TokenRefuses(Refused):
    """The token is not there, or does not do what it is asked."""

    code = "token_refuses"


class WrongPin(TokenRefuses):
    """The token does not take the PIN. After a few of these it locks itself."""

    code = "wrong_pin"


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell what a token or its library raises as ours: TokenLibraryMissing, WrongPin, TokenRefuses."""
    try:
        import pkcs11
    except ImportError as error:
        raise TokenLibraryMissing("what talks to PKCS#11 tokens is not installed", field="keys") from error
    try:
        yield
    except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid, pkcs11.PinLocked) as error:
        raise WrongPin(f"the token refuses its PIN: {type(error).__name__}", field="keys") from error
    except (pkcs11.PKCS11Error, RuntimeError) as error:  # RuntimeError: the library's file cannot be loaded
        raise TokenRefuses(f"the token refuses: {str(error) or type(error).__name__}", field="keys") from error


def find(library: str, label: str | None) -> Token:
    """The token of that label; the only one there is, without a label. To be called within `told`."""
    import pkcs11

    return pkcs11.lib(library).get_token(token_label=label or None, token_flags=pkcs11.TokenFlag.TOKEN_INITIALIZED)


def make_pair(session: Session, name: str, *, may_decrypt: bool = False) -> int:
    """Make a pair under a label and return its number, one above all that are there. Within `told`.

    `may_decrypt` lets the key do so too: for a TPM, tpm2-pkcs11 makes keys for both or none. Raises Conflict where the
    token has a key of that name.
    """
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
    public = {Attribute.VERIFY: True, Attribute.ENCRYPT: may_decrypt}
    private = {Attribute.SIGN: True, Attribute.DECRYPT: may_decrypt}
    parameters.generate_keypair(
        mechanism=how, id=biginteger(number), label=name, store=True, public_template=public, private_template=private
    )
    return number
