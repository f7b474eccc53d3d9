"""Whom a device takes for its hub over https, also while its own clock cannot say what time it is."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.contract.errors import Unreachable

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python gives no name


class NotTrusted(Unreachable):
    """Whoever answers cannot prove by its certificate that it is who was asked for."""

    code = "certificate_not_trusted"
    hint = "Name the authority that signed the hub's certificate with `--ca FILE`, and look at the device's clock."


def _always() -> bool:
    return True


@dataclass
class Tls:
    """Certificates count if the authorities in `ca` (a PEM file; '' for the system's store) vouch for them.

    Dates in certificates need a clock. Where `has_clock` says that there is none to believe, a certificate counts
    until `now`, which is then a time that has certainly passed; chain and host name are checked as ever.
    """

    ca: str = ""
    has_clock: Callable[[], bool] = _always
    now: Callable[[], float] = float

    def __post_init__(self) -> None:
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def wrap(self, bare: socket.socket, host: str) -> ssl.SSLSocket:
        """Shake hands; raises NotTrusted, and OSError where the line breaks."""
        is_timed = self.has_clock()
        try:
            wrapped = self._context(is_timed).wrap_socket(bare, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise NotTrusted(f"the certificate of {host} does not count: {error.verify_message}") from error
        if not is_timed and _ends_at(wrapped) < self.now():
            wrapped.close()
            raise NotTrusted(f"the certificate of {host} has expired")
        return wrapped

    def _context(self, is_timed: bool) -> ssl.SSLContext:
        if is_timed not in self._contexts:
            try:
                context = ssl.create_default_context(cafile=self.ca or None)
            except (OSError, ssl.SSLError) as error:
                raise NotTrusted(f"{self.ca or 'the store of authorities'} cannot be read: {error}") from error
            if not is_timed:
                context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
            self._contexts[is_timed] = context
        return self._contexts[is_timed]


def _ends_at(wrapped: ssl.SSLSocket) -> float:
    certificate = wrapped.getpeercert() or {}
    try:
        return float(ssl.cert_time_to_seconds(str(certificate.get("notAfter", ""))))
    except ValueError:
        return 0.0
