"""Runs the commands that the documentation shows, so that they cannot rot: `docs/run_commands.py [-v] [FILE.md…]`.

Commands stand in fenced `console` blocks, in lines that begin with `$ `:

- A command may go on after a `\\` at a line's end, and through a here-document up to its last word.
- `# exit 1` at a command's end says that it fails, and how. Any other failure fails the check.
- The lines below a command are what it prints. Each must appear, in this order; `…` stands for anything, and white
  space counts as one blank. What is left out of a block may appear too.

An HTML comment right above a block changes what is done with it:

- `<!-- not run: REASON -->`: nothing.
- `<!-- terminal: NAME -->`: it is typed in another terminal of that name. A command that does not end is left running
  there once all its lines have appeared. A line `^C` interrupts it.

Each file gets a fresh folder, which is also HOME. All its terminals begin there; one keeps its folder and its variables
from block to block. Whatever still runs at a file's end is stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 120.0
STOP_S = 10.0
INTERRUPT = "^C"
MAIN = ""

COMMENT = re.compile(r"<!-- (not run|terminal): (.+) -->")
EXIT = re.compile(r"\s+# exit (\d+)$")
HERE_DOCUMENT = re.compile(r"<<-?\s*'?\"?(\w+)")
RUNNABLE = "console"
UNMARKED = ("sh", "bash", "shell", "shell-session")


class DocumentationFails(Exception):
    """A command does not do what its file says."""


@dataclass
class Command:
    """One command of a file, or `^C`: where it stands, what it prints, and how it ends."""

    line: int
    text: str
    terminal: str = MAIN
    exit_code: int = 0
    shown: list[str] = field(default_factory=list)


def commands_of(path: Path) -> list[Command]:
    """Every command that `path` shows and that shall be run, in order."""
    found: list[Command] = []
    lines = list(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    above, place = "", 0
    while place < len(lines):
        number, text = lines[place]
        place += 1
        if text.strip().startswith("```"):
            kind, block = text.strip().removeprefix("```"), []
            while place < len(lines) and lines[place][1].strip() != "```":
                block.append(lines[place])
                place += 1
            place += 1
            if kind in UNMARKED:
                raise DocumentationFails(f"{_name(path)}:{number}: make this a `{RUNNABLE}` block with `$ ` lines")
            what, value = _comment(above)
            if kind == RUNNABLE and what != "not run":
                found += _commands(block, value if what == "terminal" else MAIN)
        if text.strip():
            above = text
    return found


def matches(shown: list[str], output: str) -> bool:
    """Whether every line that a file shows appears in a command's output, in order."""
    lines = iter(output.splitlines())
    return all(any(_pattern(one).fullmatch(_plain(line)) for line in lines) for one in shown if one.strip("… "))


class Terminal:
    """A bash that is told one command after the other."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._script = folder / f".typed-{id(self)}"
        self._folder = folder
        self._end = f"end-of-command-{os.urandom(6).hex()}"
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: ^C would reach nobody
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._tell("trap : INT")
        self.is_busy = False

    def run(self, command: Command) -> tuple[int | None, str]:
        """Type a command: its exit code (None if it goes on) and what it printed until then."""
        if command.text == INTERRUPT:
            os.killpg(self._process.pid, signal.SIGINT)
        else:
            self._script.write_text(command.text + "\n", encoding="utf-8")
            self._tell(f". {self._script} < /dev/null; printf '\\n%s %s\\n' {self._end} $?")
        self.is_busy = True
        can_go_on = command.terminal != MAIN and bool(command.shown) and command.text != INTERRUPT
        output: list[str] = []
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return -1, "".join(output) + f"\n(still running after {TIMEOUT_S:.0f} s)"
            if line.startswith(self._end):
                self.is_busy = False
                return int(line.split()[1]), "".join(output).removesuffix("\n")
            output.append(line)
            if can_go_on and matches(command.shown, "".join(output)):
                return None, "".join(output)

    def stop(self) -> None:
        """End this terminal and all that runs in it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
                self._await_end()
        self._process.wait()

    def _await_end(self) -> None:
        """Return when no process of the terminal is left; raises ProcessLookupError then, at the latest in STOP_S."""
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            self._process.poll()
            os.killpg(self._process.pid, 0)
            time.sleep(0.05)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(f"{self._end} {self._process.wait()}\n")


def run_file(path: Path, *, is_verbose: bool) -> int:
    """Run every command of a file; returns how many. Raises DocumentationFails at the first that fails."""
    commands = commands_of(path)
    if not commands:
        return 0
    with _fresh_folder() as folder, _terminals(folder) as terminals:
        for command in commands:
            started = time.monotonic()
            terminal = terminals(command.terminal)
            if terminal.is_busy and command.text != INTERRUPT:
                raise DocumentationFails(f"{_name(path)}:{command.line}: terminal {command.terminal} is busy")
            code, output = terminal.run(command)
            _check(path, command, code, output)
            if is_verbose:
                _say(f"  {time.monotonic() - started:6.1f} s  $ {command.text.splitlines()[0]}")
    return len(commands)


def main() -> int:
    """Run the files that are named, or all; 0 if every command does what its file says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="Markdown files; all by default")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every command with its time")
    options = parser.parse_args()
    files = options.files or [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    begun, total = time.monotonic(), 0
    for path in files:
        started = time.monotonic()
        try:
            count = run_file(path, is_verbose=options.verbose)
        except DocumentationFails as failure:
            _say(f"FAILS {failure}")
            return 1
        total += count
        if count:
            _say(f"{_name(path)}: {count} commands in {time.monotonic() - started:.0f} s")
    _say(f"{total} commands of {len(files)} files do what they say, in {time.monotonic() - begun:.0f} s")
    return 0


def _commands(block: list[tuple[int, str]], terminal: str) -> Iterator[Command]:
    command: Command | None = None
    lines = iter(block)
    for number, text in lines:
        if text == INTERRUPT or text.startswith("$ "):
            if command is not None:
                yield command
            whole = _whole(text.removeprefix("$ "), lines)
            end = EXIT.search(whole)
            code = int(end.group(1)) if end else 0
            command = Command(number, EXIT.sub("", whole), terminal, code)
        elif command is not None:
            command.shown.append(text)
    if command is not None:
        yield command


def _whole(text: str, lines: Iterator[tuple[int, str]]) -> str:
    """A command with the lines that it goes on in."""
    here = HERE_DOCUMENT.search(text)
    while here is None and text.endswith("\\"):
        text += "\n" + next(lines)[1]
    if here is not None:
        for _, line in lines:
            text += "\n" + line
            if line == here.group(1):
                break
    return text


def _check(path: Path, command: Command, code: int | None, output: str) -> None:
    place = f"{_name(path)}:{command.line}: {command.text.splitlines()[0]}"
    if code is not None and code != command.exit_code:
        raise DocumentationFails(f"{place}\nexit code {code} instead of {command.exit_code}; it printed:\n{output}")
    if not matches(command.shown, output):
        shown = "\n".join(command.shown)
        raise DocumentationFails(f"{place}\nthe file shows:\n{shown}\n\nbut it printed:\n{output}")


@contextlib.contextmanager
def _fresh_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="edgewright-docs-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def _terminals(folder: Path) -> Iterator[Callable[[str], Terminal]]:
    """Terminals by name, opened when they are first asked for, and all stopped at the end."""
    opened: dict[str, Terminal] = {}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
    }

    def terminal(name: str) -> Terminal:
        if name not in opened:
            opened[name] = Terminal(folder, environment)
        return opened[name]

    try:
        yield terminal
    finally:
        for one in reversed(opened.values()):
            one.stop()


def _comment(line: str) -> tuple[str, str]:
    found = COMMENT.fullmatch(line.strip())
    return (found.group(1), found.group(2)) if found else ("", "")


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in _plain(shown).split("…")))


def _plain(line: str) -> str:
    return " ".join(line.split())


def _name(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
