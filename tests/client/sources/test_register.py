"""What reaches the hub of a model that became ONNX here: the file, what made it, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression

from edgewright.client import ExportCommand
from edgewright.contract.api import Lineage, VersionDraft, VersionRecord
from edgewright.contract.errors import InvalidInput
from edgewright.contract.tensors import Contract

X = np.arange(12, dtype=np.float64).reshape(6, 2)
REGISTER = "/api/v1/models/digits/versions"


@pytest.fixture
def hub(answers):
    """A hub that has no blob, takes every one, and registers whatever it is told."""
    record = VersionRecord(
        model="digits",
        version=1,
        source_sha256="",
        source_bytes=1,
        contract=Contract(inputs=(), outputs=()),
        lineage=Lineage(),
        metrics={},
        task="classification",
        note="",
        created_at=1.0,
        created_by="ada",
    )
    answers.say("POST", REGISTER, record)
    answers.by_verb["PUT"] = lambda _: (200, None)
    return answers


def sent(hub) -> tuple[VersionDraft, dict[str, bytes]]:
    """What was registered, and the blobs that were uploaded."""
    [body] = hub.bodies("POST", REGISTER)
    blobs = {path.rpartition("/")[2]: data for verb, path, data in hub.asked if verb == "PUT"}
    return msgspec.json.decode(body, type=VersionDraft), blobs


def test_an_estimator_arrives_as_onnx_with_what_made_it(hub, client):
    model = LogisticRegression().fit(X, [0, 1, 0, 1, 0, 1])

    client.models.register("digits", model, example=X[:1], snapshot="digits@1")

    draft, blobs = sent(hub)
    assert list(blobs) == [draft.source_sha256]
    assert draft.lineage.snapshot == "digits@1"
    assert set(draft.lineage.environment) == {"scikit-learn", "skl2onnx"}
    assert draft.lineage.export is msgspec.UNSET


def test_weights_stay_here_and_their_digest_goes_into_the_lineage(hub, client, tmp_path: Path):
    save_file({"w": np.ones(3, np.float32)}, tmp_path / "w.safetensors")
    (tmp_path / "export.py").write_text(
        "import os, pathlib; pathlib.Path(os.environ['EW_OUTPUT']).write_bytes(bytes(4) + b'TFL3')"
    )
    export = ExportCommand(f"{sys.executable} export.py", tmp_path)

    client.models.register("digits", tmp_path / "w.safetensors", export=export)

    draft, blobs = sent(hub)
    assert list(blobs.values()) == [bytes(4) + b"TFL3"]
    assert draft.lineage.export.weights == "w.safetensors"
    assert draft.lineage.export.command.endswith("export.py")


def test_what_is_refused_here_is_not_sent(hub, client, tmp_path: Path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + bytes(9))

    with pytest.raises(InvalidInput):
        client.models.register("digits", tmp_path / "model.pkl")

    assert hub.asked == []
