"""Automation on real rooms, without a worker of DBOS: runs are queued, and performed by the tests."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.contract.api import FileRef, PipelineDraft, SnapshotDraft
from edgewright.hub.data import Data, npz
from edgewright.hub.provenance import Provenance
from edgewright.hub.registry import Registry
from scenes.looking import look_once
from scenes.performed import Performed


@pytest.fixture
def data(db, events, audit, clock, blobs):
    return Data(db, events, audit, clock, blobs)


@pytest.fixture
def registry(db, events, audit, clock, blobs, data):
    with look_once():
        yield Registry(db, events, audit, clock, blobs, data.rows)


@pytest.fixture
def jobs(db, events, clock):
    return Performed(db, events, clock)


@pytest.fixture
def provenance(db, clock, blobs, keys):
    return Provenance(db, clock, blobs, keys.audit)


@pytest.fixture
def snapshot(data, blobs, ana) -> str:
    """Nine rows of four numbers, as training rows and as hold-out."""
    rows = npz.write({"x": np.ones((9, 4), np.float32), "label": np.zeros(9, np.int64)})
    sha256 = blobs.put_bytes(rows)
    names = ("train.npz", "holdout.npz")
    files = tuple(FileRef(path=name, sha256=sha256, size_bytes=len(rows)) for name in names)
    return data.create(ana, SnapshotDraft(dataset="lines", files=files)).id


@pytest.fixture
def pipeline(blobs):
    """Makes a pipeline whose training code is the given text."""

    def make(code: str, **changes) -> PipelineDraft:
        file = FileRef(path="train.py", sha256=blobs.put_bytes(code.encode()), size_bytes=len(code))
        facts = {"model": "lines", "dataset": "lines", "command": "python train.py", "code": (file,), "seed": 7}
        return PipelineDraft(**(facts | changes))

    return make
