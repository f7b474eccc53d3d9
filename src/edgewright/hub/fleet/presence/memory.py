"""What a hub remembers of each device between two check-ins: a row in typed columns, since there may be 100,000."""

from __future__ import annotations

import threading
from array import array

from edgewright.hub.fleet.model import Seen
from edgewright.hub.fleet.presence.digests import Digests


class Memory:
    """Rows of devices, found by the digest of a session token or by the device's id.

    A device has one row for as long as the process lives, and its newest session's token only: others are looked up in
    the table. The columns are read and written by whoever holds a row's number; sessions come and go under `lock`.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tokens = Digests()
        self.devices: list[str] = []
        self.expires_at = array("d")
        self.seen_at = array("d")  # 0: not since this process began
        self.backlog = array("i")
        self.poll_s = array("d")  # how often it was told to check in; 0: as it is set itself
        self.reported = array("q")  # a hash of what was saved of its last report; 0: not known
        self.life = array("q")  # a hash of the life that it told last; 0: not known
        self.turn = array("q")
        self._row_of_device: dict[str, int] = {}

    def find(self, device: str) -> int | None:
        """The row of a device, if it has one."""
        return self._row_of_device.get(device)

    def row(self, device: str) -> int:
        """The row of a device, made if need be."""
        found = self._row_of_device.get(device)
        if found is not None:
            return found
        with self.lock:
            return self._row_of_device[device] if device in self._row_of_device else self._add(device)

    def admit(self, digest: bytes, device: str, expires_at: float) -> int:
        """Let a session's token stand for `device`; call it with `lock` held."""
        row = self._row_of_device.get(device)
        if row is None:
            row = self._add(device)
        self.tokens.put(row, digest)
        self.expires_at[row] = expires_at
        return row

    def has_newer(self, device: str, expires_at: float) -> bool:
        """Whether a session of `device` is here that ends no sooner."""
        row = self._row_of_device.get(device)
        return row is not None and bool(self.tokens.of(row)) and self.expires_at[row] >= expires_at

    def shut_out(self, device: str) -> None:
        """Forget the session of a device; call it with `lock` held."""
        row = self._row_of_device.get(device)
        if row is not None:
            self.tokens.drop(row)

    def seen(self, device: str) -> Seen | None:
        """When this process heard of a device last; None if it has not."""
        row = self._row_of_device.get(device)
        if row is None or not self.seen_at[row]:
            return None
        return Seen(at=self.seen_at[row], backlog=self.backlog[row], poll_s=self.poll_s[row] or None)

    def _add(self, device: str) -> int:
        row = len(self.devices)
        for column in (self.expires_at, self.seen_at, self.poll_s):
            column.append(0.0)
        for numbers in (self.backlog, self.reported, self.life, self.turn):
            numbers.append(0)
        self.devices.append(device)
        self._row_of_device[device] = row
        return row
