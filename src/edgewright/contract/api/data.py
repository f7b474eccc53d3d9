"""Files, snapshots, samples and labels."""

from __future__ import annotations

import msgspec


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
    """An immutable version of a dataset; `id` is '<dataset>@<number>', `digest` covers every file."""

    id: str
    dataset: str
    number: int
    digest: str
    files: tuple[FileRef, ...]
    parent: str
    note: str
    created_at: float
    created_by: str


class SampleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One captured sample. `label` is None until somebody says what it shows."""

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
    label: int | None = None
    labelled_by: str = ""


class LabelDraft(msgspec.Struct, frozen=True, kw_only=True):
    sample: str
    label: int
