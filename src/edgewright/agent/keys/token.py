"""A device's key in a PKCS#11 token, ECDSA P-256: the token signs, and the private half never leaves it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from edgewright import tokens
from edgewright.agent.keys.refusals import KeyUnusable
from edgewright.agent.keys.uri import TokenPlace
from edgewright.contract.devicekey import DevicePublicKey
from edgewright.contract.errors import Refused

if TYPE_CHECKING:
    from pkcs11 import Session

PIN = "EDGEWRIGHT_PKCS11_PIN"
MAX_PIN_BYTES = 256


class TokenKey:
    """Asks the token each time, so that one that was away is found again. Raises KeyUnusable."""

    def __init__(self, place: TokenPlace, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._public: DevicePublicKey | None = None
        self._refused_pin = ""

    @property
    def public_key(self) -> DevicePublicKey:
        """The public half; the pair is made where the token has none of that label."""
        if self._public is None:
            with self._session() as session:
                self._public = DevicePublicKey(_public_point(session, self._place.label))
        return self._public

    def sign(self, data: bytes) -> bytes:
        """r and s, 32 bytes each."""
        from pkcs11 import KeyType, Mechanism, ObjectClass, SignMixin

        with self._session() as session:
            key = session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, label=self._place.label)
            if not isinstance(key, SignMixin):
                raise KeyUnusable(f"the token's key '{self._place.label}' does not sign", field="key")
            return bytes(key.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA))

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        pin = self._pin()
        if pin == self._refused_pin:  # asking on would lock the token
            raise KeyUnusable("the token has refused this PIN; it is not asked again", field="key")
        try:
            with tokens.told():
                token = tokens.find(self._place.module, self._place.token)
                with token.open(rw=True, user_pin=pin) as session:
                    yield session
        except tokens.WrongPin as error:
            self._refused_pin = pin
            raise KeyUnusable(error.message, field="key") from error
        except Refused as error:
            raise KeyUnusable(error.message, field="key", hint=error.hint) from error

    def _pin(self) -> str:
        try:
            file = self._place.pin_file
            pin = file.read_bytes()[:MAX_PIN_BYTES].decode().strip() if file else self._environment.get(PIN, "")
        except (OSError, UnicodeDecodeError) as error:
            raise KeyUnusable(f"the PIN's file cannot be read: {error}", field="key") from error
        if not pin:
            raise KeyUnusable("there is no PIN", field="key", hint=f"Set {PIN}, or pin-source=file:PATH in the URI.")
        return pin


def _public_point(session: Session, label: str) -> bytes:
    """The compressed point of the pair of that label."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
    from pkcs11 import KeyType, NoSuchKey, ObjectClass, PublicKey
    from pkcs11.util.ec import encode_ec_public_key

    try:
        key = session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC, label=label)
    except NoSuchKey:
        tokens.make_pair(session, label, may_decrypt=True)
        key = session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC, label=label)
    public = load_der_public_key(encode_ec_public_key(key)) if isinstance(key, PublicKey) else None
    if not isinstance(public, EllipticCurvePublicKey) or public.curve.name != tokens.CURVE:
        raise KeyUnusable(f"the token's key '{label}' is not of the curve P-256", field="key")
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
