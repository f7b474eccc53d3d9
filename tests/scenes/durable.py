"""A process with a durable run in it, to be killed: `python durable.py FOLDER DATABASE`.

The run's first step is done, and told in FOLDER/done. Its second step waits for ever, unless FOLDER/gate is there.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from edgewright.hub.db import Database
from edgewright.hub.events import Events
from edgewright.hub.jobs import Jobs, RunContext

RUN = "train-1"


def work(folder: Path, url: str) -> Jobs:
    """Launch the worker on `folder` and the database at `url`, and start the run unless it is there already."""
    db = Database(url)
    events = Events(db, time.time)
    jobs = Jobs(db, events, time.time)

    def body(context: RunContext) -> dict[str, int]:
        first = context.step("first", tell, folder / "done", "first")
        context.report("second", 0.5)
        second = context.step("second", wait_for_gate, folder)
        return {"first": first, "second": second}

    jobs.define("train", body)
    jobs.launch(folder / "runs.sqlite")
    events.start()
    with db.write() as connection:
        jobs.start(connection, "train", "digits", {}, id=RUN)
    return jobs


def tell(path: Path, word: str) -> int:
    """Append a line; returns how many lines there are."""
    with path.open("a") as file:
        file.write(word + "\n")
    return len(path.read_text().splitlines())


def wait_for_gate(folder: Path) -> int:
    lines = tell(folder / "done", "second")
    if not (folder / "gate").exists():
        threading.Event().wait()
    return lines


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
    threading.Event().wait()
