"""A power cut in a test: between any two operations on the disk, with the disk as the file system may then show it.

`Power` counts the operations below a folder and cuts before the one that it is told, writing half of a write.
`Recorder` notes them, and `disks` gives states that the disk may be in after a cut if only what was synced is sure to
be there (after Pillai et al., 'All file systems are not created equal', OSDI 2014): unsynced data may be missing, torn
or zero, and unsynced names may be missing one by one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

NAMES = ("open", "write", "fsync", "rename", "replace", "unlink", "mkdir", "link", "ftruncate", "close")


class PowerCut(BaseException):
    """Not an Exception, so that nothing that handles errors handles it."""


class _Patched:
    """Replaces the calls of `os` while it is entered; fsync itself is skipped, as only its place matters here."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.paths: dict[int, str] = {}
        self.real = {name: getattr(os, name) for name in NAMES}

    def __enter__(self):
        for name in NAMES:
            setattr(os, name, getattr(self, f"_{name}"))
        return self

    def __exit__(self, *_):
        for name, call in self.real.items():
            setattr(os, name, call)

    def happens(self, *operation) -> None:
        raise NotImplementedError

    def _mine(self, path) -> bool:
        return os.fspath(path).startswith(self.root)

    def _open(self, path, flags, mode=0o777, **more):
        path = os.fspath(path)
        is_new = flags & os.O_TRUNC or (flags & os.O_CREAT and not os.path.exists(path))
        if is_new and self._mine(path):
            self.happens("create", path)
        fd = self.real["open"](path, flags, mode, **more)
        if self._mine(path):
            self.paths[fd] = path
        return fd

    def _write(self, fd, data):
        if fd in self.paths:
            self.happens("write", self.paths[fd], bytes(data))
        return self.real["write"](fd, data)

    def _fsync(self, fd):
        if fd in self.paths:
            path = self.paths[fd]
            self.happens("sync_folder" if os.path.isdir(path) else "sync_file", path)

    def _ftruncate(self, fd, length):
        if fd in self.paths:
            raise AssertionError("no disk is full here")
        self.real["ftruncate"](fd, length)

    def _close(self, fd):
        self.paths.pop(fd, None)
        self.real["close"](fd)

    def _rename(self, source, path):
        if self._mine(path):
            self.happens("rename", os.fspath(source), os.fspath(path))
        self.real["rename"](source, path)

    def _replace(self, source, path):
        self._rename(source, path)

    def _unlink(self, path, **more):
        if self._mine(path) and os.path.lexists(path):
            self.happens("unlink", os.fspath(path))
        self.real["unlink"](path, **more)

    def _mkdir(self, path, mode=0o777, **more):
        if self._mine(path) and not os.path.isdir(path):
            self.happens("mkdir", os.fspath(path))
        self.real["mkdir"](path, mode, **more)

    def _link(self, source, path, **more):
        if self._mine(path) and not os.path.lexists(path):
            self.happens("link", os.fspath(source), os.fspath(path))
        self.real["link"](source, path, **more)


class Power(_Patched):
    """Counts; cuts before operation number `cut_at` (from 0; None: never). Once cut, nothing works any more."""

    def __init__(self, root: Path, cut_at: int | None = None) -> None:
        super().__init__(root)
        self.count = 0
        self._cut_at = cut_at

    def happens(self, *operation) -> None:
        if self._cut_at is not None and self.count >= self._cut_at:
            if self.count == self._cut_at and operation[0] == "write":
                self._write_half(*operation[1:])
            self.count += 1
            raise PowerCut
        self.count += 1

    def _write_half(self, path: str, data: bytes) -> None:
        fd = next(fd for fd, name in self.paths.items() if name == path)
        self.real["write"](fd, data[: len(data) // 2])


class Recorder(_Patched):
    """Notes every operation. With `is_syncing` False it forgets the syncs: a device that never calls fsync."""

    def __init__(self, root: Path, is_syncing: bool = True) -> None:
        super().__init__(root)
        self.operations: list[tuple] = []
        self._is_syncing = is_syncing

    def happens(self, *operation) -> None:
        if self._is_syncing or not operation[0].startswith("sync"):
            self.operations.append(operation)


def contents(root: Path) -> dict[str, bytes]:
    """All files below `root`."""
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def disks(operations: list[tuple], before: dict[str, bytes], cut: int, chance: random.Random) -> dict[str, bytes]:
    """One state that the disk may be in if the power is cut after `cut` operations."""
    synced: list[bytes] = []  # by inode
    unsynced: list[list[bytes | None]] = []  # by inode: data appended since, None for a truncation
    live: dict[str, int] = {}
    durable: dict[str, int] = {}
    pending: list[tuple[str, str, str, int]] = []  # (folder, 'add'|'drop', path, inode)
    for path, data in before.items():
        live[path] = durable[path] = _new(synced, unsynced, data)
    for operation in operations[:cut]:
        kind, path = operation[0], operation[1]
        if kind == "create" and path in live:
            unsynced[live[path]].append(None)
        elif kind == "create":
            live[path] = _new(synced, unsynced, b"")
            pending.append((os.path.dirname(path), "add", path, live[path]))
        elif kind == "write":
            unsynced[live[path]].append(operation[2])
        elif kind == "sync_file":
            synced[live[path]], unsynced[live[path]] = _whole(synced[live[path]], unsynced[live[path]]), []
        elif kind == "link":
            live[operation[2]] = live[path]
            pending.append((os.path.dirname(operation[2]), "add", operation[2], live[path]))
        elif kind == "rename":
            live[operation[2]] = live.pop(path)
            pending.append((os.path.dirname(operation[2]), "move", path + "\n" + operation[2], live[operation[2]]))
        elif kind == "unlink":
            pending.append((os.path.dirname(path), "drop", path, live.pop(path)))
        elif kind == "sync_folder":
            for change in pending:
                if change[0] == path:
                    _apply(durable, change)
            pending = [change for change in pending if change[0] != path]
    share = chance.choice([0.0, 0.3, 0.7, 1.0])
    for change in pending:
        if chance.random() < share:
            _apply(durable, change)
    return {path: _after_cut(synced[inode], unsynced[inode], chance) for path, inode in durable.items()}


def lay_out(root: Path, disk: dict[str, bytes], folders: Iterator[str]) -> None:
    """Make the files of a state."""
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    for path, data in disk.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(data)


def _new(synced: list[bytes], unsynced: list[list[bytes | None]], data: bytes) -> int:
    synced.append(data)
    unsynced.append([])
    return len(synced) - 1


def _whole(data: bytes, changes: list[bytes | None]) -> bytes:
    for change in changes:
        data = b"" if change is None else data + change
    return data


def _after_cut(data: bytes, changes: list[bytes | None], chance: random.Random) -> bytes:
    if not changes:
        return data
    whole = _whole(data, changes)
    fate = chance.choice(["none", "all", "prefix", "zero"])
    if fate == "none":
        return data
    if fate == "zero":
        return b"\0" * len(whole)
    return whole if fate == "all" else whole[: chance.randrange(len(whole) + 1)]


def _apply(durable: dict[str, int], change: tuple[str, str, str, int]) -> None:
    _, kind, path, inode = change
    if kind == "drop":
        durable.pop(path, None)
        return
    if kind == "move":
        source, path = path.split("\n")
        durable.pop(source, None)
    durable[path] = inode
