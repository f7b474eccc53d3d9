"""A PostgreSQL server for one run of the tests: Debian's package, in a folder of its own, at a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "400",
    "shared_buffers": "64MB",
}
USER = "postgres"  # whom Debian's package makes; initdb refuses to work for root


class Server:
    """Runs from its making to `stop`, which removes all of it."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="edgewright-pg-"))
        self._as = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, USER, USER)
        self._programs = newest_programs()
        words = [f"-c {name}={value}" for name, value in {**settings, "unix_socket_directories": self.folder}.items()]
        self._call("initdb", "-D", self._data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N")
        self._call("pg_ctl", "-D", self._data, "-w", "-l", self.folder / "log", "-o", " ".join(words), "start")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def restart(self) -> None:
        """Stop at once, as in a crash of the server, and start again."""
        self._call("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "-l", self.folder / "log", "restart")

    def stop(self) -> None:
        """End it, and leave nothing behind."""
        self._call("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def _call(self, program: str, *words: object) -> None:
        command = [self._programs / program, *map(str, words)]
        ended = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **self._as
        )
        if ended.returncode:
            raise RuntimeError(f"{program}: {ended.stderr}")


def url_of(socket_folder: str | Path, database: str) -> str:
    """The address of a database of the server whose socket lies in that folder."""
    return f"postgresql+psycopg://{USER}@/{database}?host={socket_folder}"


def newest_programs() -> Path:
    """The folder of the newest PostgreSQL that Debian has installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: ./debian-packages.sh postgresql")
    return found[-1].parent
