"""Transfer as a step: the parent's weights stay, which the files themselves show, and a new last layer is learned."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.api import Does, FileRef, RunState, SnapshotDraft, VersionDraft
from edgewright.hub.data import npz
from scenes.steps import step

pytestmark = pytest.mark.e2e


def test_a_transfer_is_a_version_whose_backbone_is_its_parents(room, pipeline, ana, digits, registry, data, blobs):
    pytest.importorskip("torch")
    files = []
    for name, rows in (("train.npz", digits.train), ("holdout.npz", digits.holdout)):
        few = {key: np.asarray(array)[:300] for key, array in rows.items()}
        whole = npz.write(few)
        files.append(FileRef(path=name, sha256=blobs.put_bytes(whole), size_bytes=len(whole)))
    data.create(ana, SnapshotDraft(dataset="lines", files=tuple(files)))
    parent = blobs.put_file(digits.path)[0]
    registry.register(ana, "lines", VersionDraft(source_sha256=parent, snapshot="lines@1"))
    head = step("head", Does.TRANSFER, params={"epochs": 2, "copies": 0})
    room.pipelines.put(ana, pipeline("", steps=(head,)))

    run, steps = room.run(ana, champion=1)
    again, reused = room.run(ana, champion=1)

    assert run.state is RunState.DONE, run.error
    lineage = registry.version("lines", 2).lineage
    assert lineage.parent == 1
    assert lineage.frozen
    assert "frozen: " in run.log or "frozen: " in room.jobs.get(steps["head"].child).log
    assert reused["head"].reused_from == run.id
    assert again.result["version"] == 2
