"""The signed files that set floors, kept beside tuf/ and twice, so that no version falls when that folder is lost.

They are the files themselves and not mere numbers: each is verified again before it counts, under the root of the day,
so that a floor ends with the keys that signed it (TUF 5.3.11) and with nothing else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edgewright.agent.disk import durable
from edgewright.agent.disk.slots import Condition

FORMAT = 1
NAME = "floors.json"
BACKUP = "floors.json.bak"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    generation: int = 0
    files: dict[str, bytes] = {}


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    sha256: str
    record: msgspec.Raw


class Floors:
    """DIR/floors.json and its double: whole files by name, checksummed; `write` is durable when it returns.

    `condition` says how they were found: RECOVERED means that neither copy was whole though this device had begun
    to trust somebody. Then what is left in tuf/ is the floor, and is written here again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        copies = [_read(root / name) for name in (NAME, BACKUP)]
        whole = [record for record in copies if record is not None]
        self._record = max(whole, key=lambda record: record.generation, default=_Record())
        if whole:
            self.condition = Condition.WHOLE if copies[0] == copies[1] else Condition.MENDED
        else:
            has_begun = any((root / name).exists() for name in (NAME, BACKUP, "tuf"))
            self.condition = Condition.RECOVERED if has_begun else Condition.NEW
        if self.condition is Condition.MENDED:
            self._save(self._record)

    def read(self, name: str) -> bytes | None:
        """The file last written under that name, or None."""
        return self._record.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace the file as a whole, in both copies."""
        self._save(_Record(generation=self._record.generation + 1, files={**self._record.files, name: data}))

    def _save(self, record: _Record) -> None:
        body = msgspec.json.encode(record)
        stored = _Stored(sha256=hashlib.sha256(body).hexdigest(), record=msgspec.Raw(body))
        durable.make_folder(self._root)
        for name in (NAME, BACKUP):
            durable.replace(self._root / name, msgspec.json.encode(stored))
        self._record = record


def is_whole(path: Path) -> bool:
    """Whether one copy can be read and is not damaged; it is not mended. Raises OSError as `durable.read` does."""
    return _read(path) is not None


def _read(path: Path) -> _Record | None:
    """One copy, or None where it is missing or a single bit is off; raises OSError as `durable.read` does."""
    data = durable.read(path)
    if data is None:
        return None
    try:
        stored = msgspec.json.decode(data, type=_Stored)
        if stored.format != FORMAT or hashlib.sha256(stored.record).hexdigest() != stored.sha256:
            return None
        return msgspec.json.decode(stored.record, type=_Record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
