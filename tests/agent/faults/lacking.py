"""Agents that lack what keeps a device whole: a rig that finds nothing wrong with them would find nothing at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from edgewright.agent.disk import durable
from edgewright.agent.disk.slots import ModelFolder
from edgewright.agent.states import Step


@contextlib.contextmanager
def agent_without(what: str) -> Iterator[None]:
    """The agent in this process lacks 'syncs', 'folder syncs', 'saves first' or 'reads again', or nothing ('')."""
    kept = os.fsync, ModelFolder.save, durable._insisting
    try:
        match what:
            case "syncs":
                os.fsync = lambda fd: None
            case "folder syncs":
                os.fsync = _sync_no_folder
            case "saves first":
                ModelFolder.save = _save_afterwards  # type: ignore[method-assign]
            case "reads again":
                durable._insisting = _give_up_at_once
            case "":
                pass
            case other:
                raise ValueError(f"no agent lacks '{other}'")
        yield
    finally:
        os.fsync, ModelFolder.save, durable._insisting = kept  # type: ignore[method-assign]


_fsync, _save = os.fsync, ModelFolder.save


def _sync_no_folder(fd) -> None:
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        _fsync(fd)


def _save_afterwards(folder, record):
    """Keep what was decided in mind, act on it, and save it when the install has ended."""
    return _save(folder, record) if record.step is Step.IDLE else record


def _give_up_at_once(read):
    """Take every error for damage, also one that will have passed in a moment."""
    try:
        return read()
    except OSError:
        return None
