"""A process with a durable run in it, to be killed: `python durable.py FOLDER DATABASE [KIND]`.

The run's first step is done, and told in FOLDER/done. Its second step waits until FOLDER/gate is there. Runs of the
kind 'wait' wait to be woken. One that the other hubs have taken for dead tells so too, and ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.jobs import Jobs, RunContext

RUN = "train-1"
WAIT_S = 60.0


class Work(NamedTuple):
    """A hub as far as runs go."""

    jobs: Jobs
    events: Events
    db: Database

    def close(self) -> None:
        self.events.stop()
        self.jobs.shut_down()
        self.db.close()


def work(folder: Path, url: str, kind: str = "train") -> Work:
    """Launch the worker on `folder` and the database at `url`, and start the run unless it is there already."""
    db = Database(url)
    events = Events(db, time.time)
    jobs = Jobs(db, events, time.time)

    def body(context: RunContext) -> dict[str, int]:
        first = context.step("first", tell, folder / "done", "first")
        context.report("second", 0.5)
        second = context.step("second", wait_for_gate, folder)
        return {"first": first, "second": second}

    def wait(context: RunContext) -> dict[str, bool]:
        tell(folder / "done", "waiting")
        return {"woken": context.wait(WAIT_S)}

    def end() -> None:
        tell(folder / "done", "lost")
        os._exit(1)

    jobs.define("train", body)
    jobs.define("wait", wait, is_heavy=False)
    jobs.on_lost = end
    jobs.launch(folder / "runs.sqlite")
    events.start()
    with db.write() as connection:
        jobs.start(connection, kind, "digits", {}, id=RUN)
    return Work(jobs, events, db)


def tell(path: Path, word: str) -> int:
    """Append a line; returns how many lines there are."""
    with path.open("a") as file:
        file.write(word + "\n")
    return len(path.read_text().splitlines())


def wait_for_gate(folder: Path) -> int:
    lines, look = tell(folder / "done", "second"), threading.Event()
    while not (folder / "gate").exists():
        look.wait(0.05)
    return lines


if __name__ == "__main__":
    work(Path(sys.argv[1]), *sys.argv[2:])
    threading.Event().wait()
