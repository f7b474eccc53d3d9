"""Versions: numbered, immutable, looked into before they count; what is refused leaves nothing."""

from __future__ import annotations

import itertools
import threading

import msgspec
import numpy as np
import onnx
import pytest
import sqlalchemy as sa
from onnx import TensorProto, helper, numpy_helper

from edgewright.contract.api import FileRef, Lineage, Role, SnapshotDraft, VariantRecord, VersionDraft
from edgewright.contract.errors import InvalidInput
from edgewright.contract.manifest import File
from edgewright.contract.manifest import Role as ManifestRole
from edgewright.contract.preprocessing.axes import Reshape
from edgewright.contract.preprocessing.numbers import Cast
from edgewright.contract.preprocessing.text import Tokenise
from edgewright.contract.profile import decode_schema
from edgewright.contract.refinement import Refinement, TensorHint
from edgewright.contract.tensors import Contract, Dtype, Kind, TensorSpec
from edgewright.hub.data import Data, npz
from edgewright.hub.data.model import UnknownSnapshot
from edgewright.hub.events import Events, event_table
from edgewright.hub.govern import Audit, Keys, Principal
from edgewright.hub.registry import Blobs, Registry, UnknownModel, UnknownVersion
from edgewright.hub.registry.blobs import UnknownBlob
from scenes.databases import new_database
from scenes.looking import look_once

ANA = Principal(name="ana", roles=(Role.ENGINEER,))
COLUMNS = ("heat", "flow", "humidity", "current")


class Room:
    """The registry, and what it stands on."""

    def __init__(self, folder) -> None:
        clock = itertools.count(1_000.0).__next__
        self.db = new_database(folder)
        events, self.audit = Events(self.db, clock), Audit(self.db, clock, Keys(folder / "keys").audit)
        self.blobs = Blobs(folder / "blobs")
        self.data = Data(self.db, events, self.audit, clock, self.blobs)
        self.registry = Registry(self.db, events, self.audit, clock, self.blobs, self.data.rows)
        self.source = self.blobs.put_bytes(linear().SerializeToString())

    def register(self, name, *, dry_run=False, **facts):
        draft = VersionDraft(**{"source_sha256": self.source, **facts})
        return self.registry.register(ANA, name, draft, dry_run=dry_run)

    def snapshot(self, dataset, **arrays):
        """Training rows and hold-out, both the same."""
        data = npz.write(arrays)
        sha256 = self.blobs.put_bytes(data)
        names = ("train.npz", "holdout.npz")
        files = tuple(FileRef(path=name, sha256=sha256, size_bytes=len(data)) for name in names)
        return self.data.create(ANA, SnapshotDraft(dataset=dataset, files=files)).id

    def events(self):
        with self.db.read() as connection:
            query = sa.select(event_table.c.kind, event_table.c.subject).order_by(event_table.c.number)
            return [tuple(row) for row in connection.execute(query)]

    def trace(self):
        """Everything that a registration leaves."""
        return self.registry.models(), self.events(), self.audit.count()


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """One for all tests of this file: each looks at a model of its own."""
    room = Room(tmp_path_factory.mktemp("registry"))
    with look_once():
        yield room
    room.db.close()


def linear() -> onnx.ModelProto:
    """y[N, 3] = softmax(x[N, 4] @ w)."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 12
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_versions_are_numbered_from_one_and_keep_what_was_said_of_them(room):
    first = room.register("defects", metrics={"accuracy": 0.9}, note="the first", task="classification")
    second = room.register("defects", lineage=Lineage(parent=1, seed=7, params={"epochs": 3}))

    model = room.registry.model("defects")
    assert [version.version for version in model.versions] == [1, 2]
    assert (model.owner, model.latest) == ("ana", 2)
    assert room.registry.version("defects", 1) == first
    assert (first.metrics, first.note, first.created_by) == ({"accuracy": 0.9}, "the first", "ana")
    assert (second.lineage.parent, second.lineage.seed, second.lineage.params) == (1, 7, {"epochs": 3})


def test_a_version_keeps_the_files_that_its_packages_carry(room):
    files = (a_file(room, "names.txt", b"good\nbad\n", ManifestRole.LABELS), a_file(room, "words.json", b"{}"))

    version = room.register("carried", files=files)

    assert version.files == files
    assert room.registry.version("carried", 1).files == files


@pytest.mark.parametrize(
    ("name", "data", "role", "field"),
    [
        ("other.onnx", b"x", ManifestRole.MODEL, "files.role"),
        ("golden", b"x", ManifestRole.GOLDEN, "files.role"),
        ("MODEL.onnx", b"x", ManifestRole.ASSET, "files.name"),
        ("../x", b"x", ManifestRole.ASSET, "files.name"),
        ("manifest.json", b"x", ManifestRole.ASSET, "files.name"),
        ("names.txt", b"\xff\xfe", ManifestRole.LABELS, "files"),
    ],
)
def test_a_file_that_no_package_can_carry_is_refused(room, name, data, role, field):
    before = room.trace()

    with pytest.raises(InvalidInput) as caught:
        room.register("spoilt", files=(a_file(room, name, data, role),))

    assert caught.value.field == field
    assert room.trace() == before


def test_a_file_of_another_size_than_was_said_is_refused(room):
    file = msgspec.structs.replace(a_file(room, "x.bin", b"four"), size_bytes=5)

    with pytest.raises(InvalidInput, match="4 bytes, not 5"):
        room.register("spoilt", files=(file,))


def a_file(room, name: str, data: bytes, role: ManifestRole = ManifestRole.ASSET) -> File:
    return File(name=name, role=role, sha256=room.blobs.put_bytes(data), size_bytes=len(data))


def test_a_version_comes_with_its_event_and_its_audit_entry(room):
    version = room.register("announced")

    assert ("registry.version_registered", "announced@1") in room.events()
    (entry,) = [entry for entry in room.audit.entries(0) if entry.subject == "announced@1"]
    assert (entry.actor, entry.action) == ("ana", "version.register")
    assert entry.detail["source_sha256"] == version.source_sha256


def test_hints_refine_the_contract_that_the_file_has(room):
    hints = Refinement(inputs={"x": TensorHint(names=COLUMNS, unit="K")}, outputs={"y": TensorHint(kind=Kind.SCORES)})

    contract = room.register("refined", refinement=hints).contract

    assert (contract.input("x").names, contract.input("x").unit) == (COLUMNS, "K")
    assert contract.input("x").shape == (None, 4)
    assert contract.output_of(Kind.SCORES).name == "y"


def test_a_hint_for_a_tensor_that_the_model_does_not_have_is_refused(room):
    before = room.trace()

    with pytest.raises(InvalidInput) as refusal:
        room.register("defects", refinement=Refinement(inputs={"pixels": TensorHint(unit="K")}))

    assert refusal.value.field == "contract.inputs.pixels"
    assert room.trace() == before


def test_a_declared_contract_that_does_not_fit_is_refused(room):
    wrong = TensorSpec(name="x", dtype=Dtype.FLOAT32, shape=(None, 5))
    before = room.trace()

    with pytest.raises(InvalidInput, match="the model has") as refusal:
        room.register("defects", contract=Contract(inputs=(wrong,), outputs=()))

    assert refusal.value.field == "contract.inputs.x.shape"
    assert room.trace() == before


RAW = {"x": TensorHint(dtype=Dtype.UINT8)}
CAST = Cast(input="x", dtype=Dtype.FLOAT32, factor=0.5)


def test_steps_lead_from_raw_rows_to_what_the_model_takes(room):
    rows = np.arange(80, dtype=np.uint8).reshape(20, 4)
    snapshot = room.snapshot("raw", x=rows, label=np.zeros(20, np.int64))

    version = room.register("prepared", refinement=Refinement(inputs=RAW, preprocessing=(CAST,)), snapshot=snapshot)

    schema = decode_schema(room.blobs.path(version.reference_sha256).read_bytes())
    assert (version.contract.inputs[0].dtype, version.contract.preprocessing) == (Dtype.UINT8, (CAST,))
    assert (schema.contract.inputs, schema.contract.preprocessing) == (version.contract.inputs, ())
    assert max(schema.bins[0].edges) > 40, "the reference counts what apps pass"


@pytest.mark.parametrize(
    ("step", "field", "says"),
    [
        (Cast(input="x", dtype=Dtype.FLOAT64), "contract.preprocessing[0].output", "step 1, cast, makes x as float64"),
        (Reshape(input="x", shape=(2, 2)), "contract.preprocessing[0].output", "makes x as uint8 [any, 2, 2]"),
        (Reshape(input="x", shape=(5,)), "contract.preprocessing[0].shape", "it has 5 elements in a row"),
        (Cast(input="x", output="z", dtype=Dtype.FLOAT32), "contract.inputs.x.dtype", "the model has float32"),
        (
            Tokenise(input="x", table="vocab.txt", max_length=4),
            "contract.preprocessing[0].input",
            "it takes str, the tensor is uint8",
        ),
    ],
)
def test_steps_that_do_not_lead_there_are_refused_with_step_and_field(room, step, field, says):
    before = room.trace()

    with pytest.raises(InvalidInput) as refusal:
        room.register("elsewhere", refinement=Refinement(inputs=RAW, preprocessing=(step,)))

    assert refusal.value.field == field
    assert says in refusal.value.message
    assert room.trace() == before


def test_a_table_that_a_step_needs_comes_with_the_version(room):
    hint = {"text": TensorHint(dtype=Dtype.STRING, shape=(-1,))}
    steps = (
        Tokenise(input="text", output="ids", table="vocab.txt", max_length=4),
        Cast(input="ids", output="x", dtype=Dtype.FLOAT32),
    )
    facts = {"refinement": Refinement(inputs=hint, preprocessing=steps)}
    data = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n"
    table = File(name="vocab.txt", role=ManifestRole.ASSET, sha256=room.blobs.put_bytes(data), size_bytes=len(data))

    version = room.register("texts", **facts, files=(table,))
    with pytest.raises(InvalidInput) as refusal:
        room.register("texts", **facts)

    assert version.contract.inputs[0].dtype is Dtype.STRING
    assert refusal.value.field == "contract.preprocessing"
    assert "vocab.txt:asset" in refusal.value.hint


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"source_sha256": "0" * 64}, UnknownBlob),
        ({"lineage": Lineage(parent=99)}, UnknownVersion),
        ({"snapshot": "nothing@1"}, UnknownSnapshot),
    ],
)
def test_what_names_something_unknown_is_refused_and_leaves_nothing(room, facts, error):
    before = room.trace()

    with pytest.raises(error):
        room.register("defects", **facts)

    assert room.trace() == before


def test_a_dry_run_tells_the_version_that_would_be_and_keeps_nothing(room):
    before = room.trace()

    version = room.register("rehearsed", dry_run=True)

    assert (version.model, version.version) == ("rehearsed", 1)
    assert room.trace() == before
    with pytest.raises(UnknownModel):
        room.registry.model("rehearsed")


def test_a_snapshot_gives_a_version_its_reference_profile(room):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    snapshot = room.snapshot("lines", x=x, label=np.zeros(60, np.int64))

    version = room.register("profiled", snapshot=snapshot, lineage=Lineage(code_revision="abc"))

    schema = decode_schema(room.blobs.path(version.reference_sha256).read_bytes())
    assert (schema.model, schema.version) == ("profiled", 1)
    assert (version.lineage.snapshot, version.lineage.code_revision) == (snapshot, "abc")


@pytest.mark.parametrize(
    ("arrays", "field"),
    [
        ({"z": np.zeros((9, 4), np.float32)}, "holdout.npz.x"),
        ({"x": np.zeros((9, 5), np.float32)}, "holdout.npz.x"),
        ({"x": np.zeros((0, 4), np.float32)}, "holdout.npz.x"),
    ],
    ids=["another name", "another shape", "no rows"],
)
def test_rows_that_do_not_fit_the_model_are_named(room, arrays, field):
    rows = len(next(iter(arrays.values())))
    snapshot = room.snapshot("misfits", **arrays, label=np.zeros(rows, np.int64))
    before = room.trace()

    with pytest.raises(InvalidInput) as refusal:
        room.register("defects", snapshot=snapshot)

    assert refusal.value.field == field
    assert refusal.value.hint
    assert room.trace() == before


def test_versions_that_are_registered_at_once_get_numbers_of_their_own(room):
    people = [threading.Thread(target=room.register, args=("crowded",)) for _ in range(3)]

    for person in people:
        person.start()
    for person in people:
        person.join()

    assert [version.version for version in room.registry.model("crowded").versions] == [1, 2, 3]


def test_the_same_target_again_replaces_the_earlier_measurement(room):
    version = room.register("measured")
    for accuracy in (0.8, 0.9):
        with room.db.write() as connection:
            room.registry.add_variant(connection, variant(version, accuracy))

    (found,) = room.registry.variants("measured", 1)

    assert found.accuracy == 0.9


def variant(version, accuracy):
    facts = {"model": version.model, "version": version.version, "target": "cpu-fp32", "sha256": version.source_sha256}
    sizes = {"size_bytes": 1, "source_bytes": 1, "memory_bytes": 1, "latency_p50_ms": 1, "latency_p95_ms": 1}
    told = {"recipe": ["clean"], "reasons": [], "tools": {}, "golden_sha256": "0" * 64, "created_at": 1.0}
    measured = {"accuracy": accuracy, "source_accuracy": 0.9, "parity": 0.0, "is_parity_kept": True}
    return msgspec.convert(facts | sizes | told | measured, VariantRecord)
