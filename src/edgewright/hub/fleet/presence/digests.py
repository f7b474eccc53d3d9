"""An index from digests to rows in typed columns: a fifth of what a dictionary of bytes objects takes."""

from __future__ import annotations

from array import array

DIGEST_BYTES = 16  # of the SHA-256 of a session's token: guessing one takes 2^128 tries
FIRST_SLOTS = 1024
EMPTY, GONE = -1, -2


class Digests:
    """At most one digest a row, found by open addressing; the digests are random, so their first bytes are the hash.

    One thread writes at a time; others may look things up meanwhile, and miss at worst what is just being moved.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._slots = _empty(FIRST_SLOTS)
        self._taken = 0  # slots that are not EMPTY
        self._count = 0

    def find(self, digest: bytes) -> int | None:
        """The row of a digest."""
        slots, known = self._slots, self._bytes
        mask = len(slots) - 1
        slot = int.from_bytes(digest[:8], "little") & mask
        while (row := slots[slot]) != EMPTY:
            if row >= 0 and known[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] == digest:
                return row
            slot = (slot + 1) & mask
        return None

    def of(self, row: int) -> bytes:
        """The digest of a row; b'' if it has none."""
        digest = bytes(self._bytes[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES])
        return digest if any(digest) else b""

    def put(self, row: int, digest: bytes) -> None:
        """Let `digest` stand for `row`, instead of what stood for it before."""
        self.drop(row)
        missing = (row + 1) * DIGEST_BYTES - len(self._bytes)
        if missing > 0:
            self._bytes.extend(bytes(missing))
        if 3 * (self._taken + 1) > 2 * len(self._slots):
            self._rebuild()
        self._bytes[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] = digest
        self._taken += _insert(self._slots, row, digest)
        self._count += 1

    def drop(self, row: int) -> None:
        """Forget the digest of a row."""
        digest = self.of(row)
        if not digest:
            return
        mask = len(self._slots) - 1
        slot = int.from_bytes(digest[:8], "little") & mask
        while self._slots[slot] != row:
            slot = (slot + 1) & mask
        self._slots[slot] = GONE
        self._bytes[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] = bytes(DIGEST_BYTES)
        self._count -= 1

    def _rebuild(self) -> None:
        """As large as it must be, without what is gone."""
        size = FIRST_SLOTS
        while 2 * size < 5 * (self._count + 1):
            size *= 2
        slots = _empty(size)
        self._taken = sum(_insert(slots, row, self.of(row)) for row in self._slots if row >= 0)
        self._slots = slots


def _empty(size: int) -> array[int]:
    return array("i", [EMPTY]) * size


def _insert(slots: array[int], row: int, digest: bytes) -> int:
    """Put a row into its slot; 1 if that was empty."""
    mask = len(slots) - 1
    slot = int.from_bytes(digest[:8], "little") & mask
    while slots[slot] >= 0:
        slot = (slot + 1) & mask
    was_empty = slots[slot] == EMPTY
    slots[slot] = row
    return int(was_empty)
