"""uvicorn's protocol, which answers a check-in from memory as soon as its last byte is there: no task, no ASGI call.

Whatever memory cannot answer, and every other request, goes the usual way with all that was read of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from edgewright.contract.errors import EdgewrightError
from edgewright.hub.web.devices.wire import CHECK_IN, NOTHING_NEW, Answer, RawHeaders

MAX_HELD_BYTES = 64 * 1024
Quick = Callable[[RawHeaders, bytes], Answer | None]

_URL = CHECK_IN.encode()


class DeviceProtocol(HttpToolsProtocol):
    """One connection. `quick` answers from memory, or with None."""

    quick: ClassVar[Quick]
    _held: bytes | None = None

    def on_headers_complete(self) -> None:
        """httptools': a check-in is held back until it is whole."""
        if self.url == _URL and self._may_hold():
            self._held = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """httptools'."""
        if self._held is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) > MAX_HELD_BYTES:
            self._let_go()

    def on_message_complete(self) -> None:
        """httptools'."""
        if self._held is not None:
            answer = self._answer(self._held)
            if answer is not None:
                self._held = None
                self._write(answer)
                return
            self._let_go()
        super().on_message_complete()

    def _may_hold(self) -> bool:
        """Whether this is a plain POST, and the next to be answered on this connection."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def _answer(self, body: bytes) -> Answer | None:
        try:
            return type(self).quick(self.headers, body)
        except EdgewrightError:
            return None  # told by the usual way

    def _let_go(self) -> None:
        """Go the usual way, as if what is held came only now."""
        body, self._held = self._held or b"", None
        super().on_headers_complete()
        super().on_body(body)

    def _write(self, answer: Answer) -> None:
        head = [STATUS_LINE[answer.status]]
        for name, value in self.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        if answer is not NOTHING_NEW:
            head += (b"content-type: application/json\r\ncontent-length: %d\r\n" % len(answer.body),)
        self.transport.write(b"".join((*head, b"\r\n", answer.body)))
        self.on_response_complete()


def protocol_of(quick: Quick) -> type[DeviceProtocol]:
    """The protocol for `uvicorn.Config(http=…)`."""
    return type("DeviceProtocol", (DeviceProtocol,), {"quick": staticmethod(quick)})
