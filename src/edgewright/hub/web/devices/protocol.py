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
BUSY = float("inf")
"""Since when a line is quiet on which something is being asked or answered."""
Quick = Callable[[RawHeaders, bytes], Answer | None]

_URL = CHECK_IN.encode()


class DeviceProtocol(HttpToolsProtocol):
    """One connection. `quick` answers from memory, or with None."""

    quick: ClassVar[Quick]
    _held: bytes | None = None
    _quiet_since = BUSY
    _default_headers: object = None
    _nothing_new = b""

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

    def on_response_complete(self) -> None:
        """uvicorn's: after the usual way there is a new timer, instead of the one that ran meanwhile."""
        super()._unset_keepalive_if_required()
        super().on_response_complete()
        self._quiet_since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """uvicorn's: one timer looks how long the line has been quiet, instead of one for each answer."""
        left_s = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0 or self.transport.is_closing():
            super().timeout_keep_alive_handler()
        else:
            self._look_again(min(left_s, self.timeout_keep_alive))

    def _look_again(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        self._quiet_since = BUSY

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
        self.transport.write(self._unchanged() if answer is NOTHING_NEW else self._whole(answer))
        self.server_state.total_requests += 1
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)

    def _unchanged(self) -> bytes:
        """NOTHING_NEW with uvicorn's headers, which it makes anew once a second."""
        if self._default_headers is not self.server_state.default_headers:
            self._default_headers = self.server_state.default_headers
            self._nothing_new = self._head(NOTHING_NEW.status) + b"\r\n"
        return self._nothing_new

    def _whole(self, answer: Answer) -> bytes:
        kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer.body)
        return b"".join((self._head(answer.status), kind, answer.body))

    def _head(self, status: int) -> bytes:
        lines = (b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        return b"".join((STATUS_LINE[status], *lines))


def protocol_of(quick: Quick) -> type[DeviceProtocol]:
    """The protocol for `uvicorn.Config(http=…)`."""
    return type("DeviceProtocol", (DeviceProtocol,), {"quick": staticmethod(quick)})
