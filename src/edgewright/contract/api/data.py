"""Files, snapshots, samples and labels."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edgewright.contract.data_policy import DataPolicy


class FileRef(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a snapshot, a version or a code bundle; `path` is relative, with forward slashes."""

    path: str
    sha256: str
    size_bytes: int


class SnapshotDraft(msgspec.Struct, frozen=True, kw_only=True):
    dataset: str
    files: tuple[FileRef, ...]
    parent: str = ""
    note: str = ""


class SnapshotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable version of a dataset; `id` is '<dataset>@<number>', `digest` covers every file.

    One from which somebody's data was erased has given its files up: what reads it reads `replaced_by`.
    """

    id: str
    dataset: str
    number: int
    digest: str
    files: tuple[FileRef, ...]
    parent: str
    note: str
    created_at: float
    created_by: str
    replaced_by: str = ""


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How one file of two snapshots differs: rows by content, or the whole file where it has no rows (None)."""

    path: str
    change: str  # 'added', 'removed', 'changed' or 'same'
    rows_before: int | None = None
    rows_after: int | None = None
    rows_added: int | None = None
    rows_removed: int | None = None
    relabelled: int | None = None  # rows that are in both, with another label
    labels_before: dict[str, int] = {}
    labels_after: dict[str, int] = {}


class SnapshotDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one snapshot in another. `leaks` counts rows that train.npz of `after` shares with a hold-out."""

    before: str
    after: str
    files: tuple[FileDiff, ...]
    leaks: int = 0


class SampleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One captured sample. `label` is None until somebody says what it shows; `is_disputed`: not all say the same."""

    id: str
    model: str
    version: int
    device: str
    request: str
    reference: str
    chosen_as: str
    uncertainty: float
    at: float
    sha256: str  # the blob (safetensors) with the inputs of one row
    predicted: int | None = None  # by the version that answered
    label: int | None = None
    labelled_by: str = ""
    labelled_at: float | None = None  # for the first time
    is_disputed: bool = False
    groups: dict[str, str] = {}
    weight: float = 0.0
    expires_at: float | None = None


class LabelSource(StrEnum):
    """By which way a label came."""

    API = "api"
    CSV = "csv"
    PAGE = "page"
    LABEL_STUDIO = "label studio"


class LabelDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample shows. It is named by its id, or by `model` and the app's own `reference`, which may name several.

    A `label` of None withdraws the label.
    """

    sample: str = ""
    label: int | None = None
    reference: str = ""
    model: str = ""


class LabelReply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of labels: samples that got one, those that had it, had another, and names that nothing bears.

    Labels of references that nothing bears `waiting` for their samples, where the request said that it is in parts.
    """

    labelled: int = 0
    unchanged: int = 0
    changed: int = 0
    disputed: int = 0
    waiting: int = 0
    unknown: tuple[str, ...] = ()


class LabelChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a sample's history: who said what, and what was said before. None: withdrawn, or nothing."""

    number: int
    sample: str
    label: int | None
    previous: int | None
    by: str
    at: float
    source: LabelSource


class LabelProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the labelling of a model's samples is."""

    model: str
    samples: int
    labelled: int
    disputed: int
    counts: dict[str, int]  # by label


class PolicyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done with what a model's devices see; nothing was set where `set_by` is ''."""

    model: str
    policy: DataPolicy
    set_by: str = ""
    set_at: float = 0.0


class LakeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One Delta Lake table, as it is now; what has not landed yet is not counted."""

    table: str
    url: str
    version: int
    files: int
    size_bytes: int
    rows: int


class ErasureDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Delete all that is known of a subject. `rewrite` says what becomes of snapshots that hold rows of it.

    True: each gets a successor without these rows, and gives its own files up. False: they stay as they are. None
    refuses to choose, and erases nothing where there are any.
    """

    subject: str
    rewrite: bool | None = None


class SnapshotTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that holds rows of somebody, by file, and what took its place."""

    snapshot: str
    rows: dict[str, int]
    replaced_by: str = ""


class SeenBy(msgspec.Struct, frozen=True, kw_only=True):
    """A version that learned from somebody's data: its weights cannot be made to forget."""

    version: str
    why: str


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure found and deleted, without a word of whom it was about."""

    samples: int
    labels: int
    devices: tuple[str, ...]
    models: tuple[str, ...]
    lake_rows: int
    blobs: int
    snapshots: tuple[SnapshotTrace, ...]
    versions: tuple[SeenBy, ...]
    self_tests: tuple[str, ...]  # variants ('digits@3 for cpu-int8') whose packages carry an equal row to devices
    remains: tuple[str, ...]  # what cannot be undone here, in words
