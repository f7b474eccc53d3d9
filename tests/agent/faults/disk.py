"""What a disk may hold after a power cut: only what was synced is sure to be there.

After Pillai et al., 'All File Systems Are Not Created Equal' (OSDI 2014), with a file system that promises little: data
that was not synced is old, new, zero or gone, each block of its own; names that were not synced are there or not, each
on its own and in any order, but a rename is one stroke; a name may lead to a file whose data never arrived; a folder
whose own name did not arrive is gone with all that is below it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.noting import Dropped, Marked, Named, Operation, Synced, Truncated, Wrote

BLOCKS = (512, 4096)
SHARES = (0.0, 0.2, 0.5, 0.8, 1.0)


@dataclass
class _File:
    data: bytes = b""
    unsynced: list[Wrote | Truncated] = field(default_factory=list)


@dataclass
class _Folder:
    names: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """Files by path (relative; those with the same inode are links), and the folders."""

    files: dict[str, tuple[int, bytes]]
    folders: tuple[str, ...]

    def key(self) -> int:
        """The same for the same names and bytes."""
        return hash((tuple(sorted((path, data) for path, (_, data) in self.files.items())), self.folders))


class Disk:
    """A disk that is told of operations, one by one, and can say what it may hold now."""

    def __init__(self, root: Path) -> None:
        """All that is at and below `root` now lies on it safely."""
        self._above = os.stat(root.parent).st_ino
        self._name = root.name
        self._files: dict[int, _File] = {}
        self._folders: dict[int, _Folder] = {self._above: _Folder()}
        self._unsynced: list[Named | Dropped] = []
        if root.is_dir():
            self._folders[self._above].names[root.name] = os.stat(root).st_ino
            self._learn(root)

    def does(self, operation: Operation) -> None:
        """Let `operation` happen."""
        match operation:
            case Wrote() | Truncated():
                self._file(operation.inode).unsynced.append(operation)
            case Named() | Dropped():
                if isinstance(operation, Named):
                    self._meet(operation)
                self._unsynced.append(operation)
            case Synced(inode) if inode in self._folders:
                self._sync_folder(inode)
            case Synced(inode):
                file = self._file(inode)
                file.data, file.unsynced = _applied(file.data, file.unsynced), []

    def is_settled(self) -> bool:
        """Whether there is nothing that a power cut could take away."""
        return not self._unsynced and not any(file.unsynced for file in self._files.values())

    def after_cut(self, chance: random.Random) -> State:
        """One of the states that may be left."""
        share = chance.choice(SHARES)
        kept = [change for change in self._unsynced if chance.random() < share]
        folders = {inode: _Folder(dict(folder.names)) for inode, folder in self._folders.items()}
        for change in kept:
            _apply(folders, change)
        files: dict[str, tuple[int, bytes]] = {}
        found: list[str] = []
        data: dict[int, bytes] = {}
        fate, block = chance.choice(("none", "all", "torn", "torn", "zero")), chance.choice(BLOCKS)
        waiting = [(self._name, folders[self._above].names.get(self._name, 0))]
        while waiting:
            path, inode = waiting.pop()
            if inode in folders:
                found.append(path)
                waiting += [(f"{path}/{name}", child) for name, child in sorted(folders[inode].names.items())]
            elif inode in self._files:
                if inode not in data:
                    data[inode] = self._data(self._files[inode], fate, block, chance)
                files[path] = (inode, data[inode])
        return State(files, tuple(found))

    def _learn(self, folder: Path) -> None:
        inside = self._folders.setdefault(os.stat(folder).st_ino, _Folder())
        for path in folder.iterdir():
            inode = path.lstat().st_ino
            inside.names[path.name] = inode
            if path.is_dir():
                self._learn(path)
            elif path.is_file():
                self._files[inode] = _File(path.read_bytes())

    def _meet(self, change: Named) -> None:
        if change.is_folder:
            self._folders.setdefault(change.inode, _Folder())
        else:
            self._files.setdefault(change.inode, _File())

    def _file(self, inode: int) -> _File:
        return self._files.setdefault(inode, _File())

    def _sync_folder(self, inode: int) -> None:
        for change in self._unsynced:
            if change.folder == inode:
                _apply(self._folders, change)
        self._unsynced = [change for change in self._unsynced if change.folder != inode]

    @staticmethod
    def _data(file: _File, fate: str, block: int, chance: random.Random) -> bytes:
        if not file.unsynced or fate == "none":
            return file.data
        if fate == "all":
            return _applied(file.data, file.unsynced)
        seen = file.unsynced[: chance.randint(1, len(file.unsynced))]
        new = _applied(file.data, seen)
        if fate == "zero":
            return file.data[: len(new)] + bytes(len(new) - len(file.data[: len(new)]))
        shortest = min([len(file.data), *(change.size_bytes for change in seen if isinstance(change, Truncated))])
        return _torn(file.data, new, shortest, block, chance)


def lay_out(state: State, above: Path) -> None:
    """Make the files of a state below `above`."""
    for path in state.folders:
        os.makedirs(above / path, exist_ok=True)
    made: dict[int, Path] = {}
    for path, (inode, data) in state.files.items():
        if inode in made:
            os.link(made[inode], above / path)
            continue
        made[inode] = above / path
        fd = os.open(above / path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, data)
        os.close(fd)


def marks(operations: Sequence[Operation]) -> list[str]:
    """What was promised on the way."""
    return [operation.text for operation in operations if isinstance(operation, Marked)]


def _applied(data: bytes, changes: Sequence[Wrote | Truncated]) -> bytes:
    whole = bytearray(data)
    for change in changes:
        if isinstance(change, Truncated):
            del whole[change.size_bytes :]
            whole.extend(bytes(change.size_bytes - len(whole)))
            continue
        whole.extend(bytes(max(0, change.offset - len(whole))))
        whole[change.offset : change.offset + len(change.data)] = change.data
    return bytes(whole)


def _torn(old: bytes, new: bytes, shortest: int, block: int, chance: random.Random) -> bytes:
    """Each block as it was, as it became, or zero where it is new; the length as before, as after, or in between."""
    lengths = {len(old), len(new), *range(0, max(len(old), len(new)), block)}
    size = chance.choice([len(new), chance.choice(sorted(size for size in lengths if size >= shortest))])
    parts = []
    for at in range(0, size, block):
        end = min(at + block, size)
        choices = [new[at:end].ljust(end - at, b"\0"), old[at:end].ljust(end - at, b"\0")]
        parts.append(chance.choice(choices))
    return b"".join(parts)


def _apply(folders: dict[int, _Folder], change: Named | Dropped) -> None:
    names = folders.setdefault(change.folder, _Folder()).names
    if isinstance(change, Dropped):
        names.pop(change.name, None)
        return
    if (
        change.gone is not None
        and (left := folders.get(change.gone[0]))
        and left.names.get(change.gone[1]) == change.inode
    ):
        del left.names[change.gone[1]]
    names[change.name] = change.inode
