"""A model's Unix socket: bound once by the supervisor, inherited by worker after worker, so that no caller is lost."""

from __future__ import annotations

import contextlib
import grp
import os
import select
import socket
from pathlib import Path

from edgewright.agent.system.parts import SHORTAGES
from edgewright.contract.errors import InvalidInput

BACKLOG = 1024
_NEW = ".listening"  # unix(7): an address has at most 108 bytes; a rename asks for no address


class Listener:
    """DIR/run/<model>.sock. Callers wait in its backlog while no worker accepts.

    Only one supervisor works on a folder, so what a former one has left there is replaced, in one step.
    """

    def __init__(self, path: Path, mode: int = 0o660, group: str = "") -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            new = Path(f"/proc/self/fd/{folder}/{_NEW}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
            self._socket.bind(str(new))
            os.chmod(new, mode)
            if group:
                os.chown(new, -1, _group_id(group))
            self._socket.listen(BACKLOG)
            os.rename(new, path)
        except BaseException:
            self._socket.close()
            raise
        finally:
            os.close(folder)

    def fileno(self) -> int:
        """The descriptor that workers inherit, and that can be read when somebody calls."""
        return self._socket.fileno()

    def is_called(self) -> bool:
        """Whether somebody waits to be answered."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def accept(self) -> socket.socket | None:
        """The next caller, to be turned away; None where nobody waits. Raises OSError where nobody can be heard now."""
        try:
            caller, _ = self._socket.accept()
        except OSError as error:
            if error.errno in SHORTAGES:
                raise
            return None  # nobody is there any more
        caller.setblocking(False)
        return caller

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self._socket.close()


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise InvalidInput(f"there is no group '{name}'", field="socket_group") from error
