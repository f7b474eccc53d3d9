"""Digests of steps: whatever decides what comes out changes them, and nothing else does."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.contract.api import Does, FileRef, PipelineDraft, StepDraft
from edgewright.contract.api.tasks import Limits, Place, Where
from edgewright.hub.automate.pipelines.keys import Inputs, digest

FILE = FileRef(path="train.py", sha256="a" * 64, size_bytes=1)
OTHER = FileRef(path="train.py", sha256="b" * 64, size_bytes=1)
PIPELINE = PipelineDraft(model="lines", dataset="lines", command="c", code=(FILE,))
STEP = StepDraft(name="train", does=Does.TRAIN, command="c", params={"epochs": 3})
INPUTS = Inputs(data=(FILE,), parent="p", tools={"numpy": "2.0"})
BEFORE = digest(PIPELINE, STEP, INPUTS)


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (PIPELINE, {"code": (OTHER,)}),
        (PIPELINE, {"seed": 8}),
        (PIPELINE, {"params": {"width": 2}}),
        (STEP, {"params": {"epochs": 4}}),
        (STEP, {"command": "d"}),
        (STEP, {"has_arguments": True}),
        (STEP, {"where": Where(kind=Place.WORKER)}),
        (INPUTS, {"data": (OTHER,)}),
        (INPUTS, {"files": (FILE,)}),
        (INPUTS, {"parent": "q"}),
        (INPUTS, {"tools": {"numpy": "2.1"}}),
        (INPUTS, {"subject": "v2"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_what_decides_changes_the_digest(of, changes):
    changed = msgspec.structs.replace(of, **changes)
    parts = [changed if part is of else part for part in (PIPELINE, STEP, INPUTS)]

    assert digest(*parts) != BEFORE


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (PIPELINE, {"code_revision": "abc-dirty"}),
        (PIPELINE, {"timeout_s": 5.0}),
        (STEP, {"limits": Limits(timeout_s=5.0)}),
        (STEP, {"name": "learn"}),
        (STEP, {"params": {"epochs": 3}}),
    ],
)
def test_what_does_not_decide_leaves_it(of, changes):
    changed = msgspec.structs.replace(of, **changes)
    parts = [changed if part is of else part for part in (PIPELINE, STEP, INPUTS)]

    assert digest(*parts) == BEFORE
