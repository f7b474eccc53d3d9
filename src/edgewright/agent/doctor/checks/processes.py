"""The agent's process and sockets, and the memory that it has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgewright.agent.control import Live, NoAgent, ask
from edgewright.agent.doctor.finding import Case, Finding, bad, ok, warn
from edgewright.agent.status import LiveState, amount
from edgewright.contract.errors import EdgewrightError

ASK_S = 10.0
LOCK = "lock"
LOW_MEMORY_BYTES = 48_000_000
LOCKS = Path("/proc/locks")
MEMORY = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def agent(case: Case) -> Iterator[Finding]:
    """One agent works on the folder, and answers."""
    holder = _holder(case.root / LOCK)
    try:
        live = ask(case.root, Live(), LiveState, ASK_S)
    except NoAgent:
        if holder:
            help = f"Look what it is with `ps {holder}`; another agent on the same folder has to go (kill {holder})."
            yield bad("agent", f"process {holder} holds the folder and takes no wishes", help)
        else:
            yield warn("agent", "no agent runs", "systemctl start edgewright-agent")
    except EdgewrightError as error:
        yield bad("agent", error.message, error.hint or f"It is process {holder}: `edgewright-agent logs` may say why.")
    else:
        yield ok("agent", f"process {live.pid}, version {live.agent_version}, {amount(live.rss_bytes)}")
        yield from _workers(live)


def sockets(case: Case) -> Iterator[Finding]:
    """Sockets are open to those who are meant, and to nobody else."""
    folder = case.root / "run"
    if not folder.is_dir():
        return
    wrong = []
    for path in sorted(folder.glob("*.sock")):
        wanted = 0o600 if path.name == "agent.sock" else int(case.settings.socket_mode, 8)
        mode = path.stat().st_mode & 0o777
        if mode & ~wanted:
            wrong.append((path, mode, wanted))
    for path, mode, wanted in wrong:
        yield bad("sockets", f"{path} has mode {mode:o}: more may talk to it than shall", f"chmod {wanted:o} {path}")
    if not wrong:
        yield ok("sockets", "each is open to those who are meant")


def memory(case: Case) -> Iterator[Finding]:
    """There is memory for the agent and a model."""
    available, limit = _available_bytes(), _cgroup_limit()
    if available is not None and available < LOW_MEMORY_BYTES:
        help = "Stop something else, or set memory_max_bytes and priorities so that fewer models are loaded at a time."
        yield bad("memory", f"only {amount(available)} of memory are available", help)
    elif limit is not None and limit < 2 * LOW_MEMORY_BYTES:
        help = "Raise MemoryMax= of the unit (systemctl edit edgewright-agent)."
        yield warn("memory", f"the control group allows {amount(limit)}: hardly a model fits", help)
    elif available is not None:
        within = f", {amount(limit)} in this control group" if limit is not None else ""
        yield ok("memory", f"{amount(available)} are available{within}")


def _workers(live: LiveState) -> Iterator[Finding]:
    for worker in live.workers:
        if worker.is_standing_in or worker.phase == "backing_off":
            what = f"the worker of {worker.model} keeps failing: {worker.reason or 'see the log'}"
            help = (
                f"`edgewright-agent logs --model {worker.model}`; `edgewright-agent rollback {worker.model}` goes back."
            )
            yield bad("workers", what, help)


def _holder(lock: Path) -> int:
    """The process that holds the folder's lock; 0 for none (proc(5): /proc/locks)."""
    try:
        found = lock.stat()
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders = (line.split() for line in lines if "FLOCK" in line and "->" not in line)
    return next((int(words[4]) for words in holders if len(words) > 5 and words[5] == name), 0)


def _available_bytes() -> int | None:
    try:
        lines = MEMORY.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def _cgroup_limit() -> int | None:
    """The memory that the control group of this process allows, if it sets a limit (cgroup v2)."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().removeprefix("0::/")
        return int((CGROUP / own / "memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
