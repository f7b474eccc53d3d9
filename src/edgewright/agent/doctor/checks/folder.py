"""The agent's folder: whose it is, what its file system can do, how full it is."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator

from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.status import amount

LOW_BYTES = 200_000_000
EMPTY_BYTES = 20_000_000
FILE_BYTES = 4096


def permissions(case: Case) -> Iterator[Finding]:
    """The folder is the agent's alone to change."""
    found = case.root.stat()
    if found.st_mode & 0o002:
        help = f"chmod o-w {case.root}"
        yield bad("folder", f"everybody may write to {case.root}: any program could replace what it holds", help)
    elif not os.access(case.root, os.W_OK):
        yield bad(
            "folder", f"this user may not write to {case.root}", f"Run as its owner, or chown -R USER {case.root}."
        )
    else:
        yield ok("folder", f"{case.root} belongs to user {found.st_uid}, mode {found.st_mode & 0o777:o}")


def file_system(case: Case) -> Iterator[Finding]:
    """Files can be written, synced, linked and renamed there; tried with a file of four kilobytes."""
    trial = case.root / f".doctor-{os.getpid()}"
    twin = trial.with_suffix(".link")
    try:
        fd = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, bytes(FILE_BYTES))
            os.fsync(fd)
        finally:
            os.close(fd)
        yield _linked(case, str(trial), str(twin))
    except OSError as error:
        yield _refused(case, error)
    finally:
        for path in (trial, twin):
            if os.path.lexists(path):
                os.unlink(path)


def space(case: Case) -> Iterator[Finding]:
    """There is room for the next release."""
    usage, nodes = shutil.disk_usage(case.root), os.statvfs(case.root)
    text = f"{amount(usage.free)} of {amount(usage.total)} are free"
    help = "Make room: `edgewright-agent status` says what the agent takes; the journal and /tmp are the usual others."
    if nodes.f_files and not nodes.f_favail:
        yield bad("disk", "the file system has no inode left for another file", help)
    elif usage.free < EMPTY_BYTES:
        yield bad("disk", f"{text}: nothing more can be installed or reported", help)
    elif usage.free < LOW_BYTES:
        yield warn("disk", f"{text}: a larger release may not fit", help)
    else:
        yield ok("disk", text)


def _linked(case: Case, trial: str, twin: str) -> Finding:
    try:
        os.link(trial, twin)
    except OSError as error:
        why = f"the file system has no hard links ({error.strerror}): each model is stored as often as it is used"
        return warn("file system", why, f"Put {case.root} on ext4, xfs, btrfs or f2fs.")
    return ok("file system", "it writes, syncs and links")


def _refused(case: Case, error: OSError) -> Finding:
    if error.errno == errno.EROFS:
        help = "mount -o remount,rw, and look into `dmesg`: a file system that turned read-only has had errors."
        return bad("file system", f"{case.root} is read-only: nothing can be installed, reported or acknowledged", help)
    if error.errno == errno.ENOSPC:
        return bad("file system", "the disk is full", "Make room: `edgewright-agent status` says what the agent takes.")
    return bad("file system", f"a file cannot be written and synced: {error.strerror}", "`dmesg` may say why.")
