"""A process with a study in it, to be killed: `python studied.py FOLDER`, with PYTHONPATH on tests and troubled steps.

Its second trial waits until FOLDER/gate is there, and tells so in FOLDER/waits.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

from edgewright.contract.api import StudyDraft
from edgewright.hub.optimize.service import Work
from plugins import zoo
from scenes.optimising import Room, make_room

RUN = "optimize-1"


def work(folder: Path) -> Room:
    """Launch the worker on `folder`, and start the study unless it is there already."""
    room = make_room(folder)
    kept = zoo.mlp()
    if not room.registry.models():
        rows = {**kept.rows, "label": np.zeros(len(next(iter(kept.rows.values()))), np.int64)}
        room.pretend("digits", kept.model.SerializeToString(), kept.contract, room.snapshot("digits", rows, rows))
    room.jobs.launch(folder / "runs.sqlite")
    room.events.start()
    draft = StudyDraft(targets=("cpu-int8",), recipes=("clean", "clean → slow"))
    with room.db.write() as connection:
        work = Work(model="digits", version=1, target="cpu-int8", draft=draft)
        room.optimize.queue(connection, "ana", work, id=RUN)
    return room


if __name__ == "__main__":
    work(Path(sys.argv[1]))
    threading.Event().wait()
