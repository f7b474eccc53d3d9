"""Blobs and snapshots."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgewright.client.transport import OnUpload, Transport, Upload, describe_file, read_chunks
from edgewright.contract.api import FileRef, SnapshotDiff, SnapshotDraft, SnapshotRecord
from edgewright.contract.errors import HostileInput, InvalidInput

UPLOADS_AT_ONCE = 8
FEW_FILES = 16


class Blobs:
    """Bytes by digest. What the hub has already is not sent again."""

    def __init__(self, hub: Transport) -> None:
        self._hub = hub

    def put_files(self, files: Sequence[tuple[Path, FileRef]], on_progress: OnUpload | None = None) -> None:
        """Upload files whose digests are known; `on_progress` hears of every piece."""
        tally = _Tally(sum(ref.size_bytes for _, ref in files), on_progress)
        with ThreadPoolExecutor(UPLOADS_AT_ONCE if len(files) > FEW_FILES else 1) as threads:
            uploads = [threads.submit(self._put_file, path, ref, tally) for path, ref in files]
            try:
                for upload in uploads:
                    upload.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def put_bytes(self, data: bytes) -> str:
        """Upload bytes; returns their digest."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self._hub.has_blob(sha256):
            self._hub.put_blob(sha256, data, len(data))
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes of that digest, checked."""
        return self._hub.get_blob(sha256)

    def _put_file(self, path: Path, ref: FileRef, tally: _Tally) -> None:
        if self._hub.has_blob(ref.sha256):
            tally.add(ref.path, ref.size_bytes)
        else:
            self._hub.put_blob(ref.sha256, _told(path, ref, tally), ref.size_bytes)


class Snapshots:
    """Immutable versions of datasets."""

    def __init__(self, hub: Transport, blobs: Blobs) -> None:
        self._hub = hub
        self._blobs = blobs

    def create(
        self,
        dataset: str,
        folder: Path,
        parent: str = "",
        on_progress: OnUpload | None = None,
        *,
        note: str = "",
        dry_run: bool = False,
    ) -> SnapshotRecord:
        """Upload every file under `folder` (hidden ones apart) and freeze them as the dataset's next snapshot.

        A dry run uploads the files too, since the hub looks into them, and freezes nothing. Raises InvalidInput
        for a folder without files.
        """
        files = list_files(folder)
        self._blobs.put_files(files, on_progress)
        draft = SnapshotDraft(dataset=dataset, files=tuple(ref for _, ref in files), parent=parent, note=note)
        return self.create_from(draft, dry_run=dry_run)

    def create_from(self, draft: SnapshotDraft, *, dry_run: bool = False) -> SnapshotRecord:
        """Freeze files that the hub holds already."""
        return self._hub.post("snapshots", body=draft, into=SnapshotRecord, dry_run=dry_run)

    def list(self, dataset: str = "") -> tuple[SnapshotRecord, ...]:
        """All snapshots, or those of one dataset."""
        return self._hub.get("snapshots", into=tuple[SnapshotRecord, ...], dataset=dataset)

    def get(self, id: str) -> SnapshotRecord:
        """The snapshot '<dataset>@<number>'."""
        dataset, at, number = id.rpartition("@")
        if not at or not number.isdigit():
            raise InvalidInput(f"{id!r} is not a snapshot", field="snapshot", hint="Write it as digits@1.")
        return self._hub.get("snapshots", dataset, number, into=SnapshotRecord)

    def diff(self, before: str, after: str) -> SnapshotDiff:
        """How two snapshots differ: files by name, rows by content."""
        return self._hub.get("snapshots", "diff", into=SnapshotDiff, before=before, after=after)


def list_files(folder: Path) -> list[tuple[Path, FileRef]]:
    """Every file under `folder` with its digest, by name. Raises InvalidInput for links and for an empty folder."""
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder", field="folder")
    paths = sorted(path for path in folder.rglob("*") if not _is_hidden(path.relative_to(folder)))
    for path in paths:
        if path.is_symlink():
            raise InvalidInput(f"{path} is a link", field="folder", hint="Put the file itself into the folder.")
    files = [(path, describe_file(path, path.relative_to(folder).as_posix())) for path in paths if path.is_file()]
    if not files:
        raise InvalidInput(f"{folder} holds no files", field="folder")
    return files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class _Tally:
    """Bytes sent by all threads together."""

    def __init__(self, total_bytes: int, on_progress: OnUpload | None) -> None:
        self._total_bytes = total_bytes
        self._on_progress = on_progress
        self._sent_bytes = 0
        self._lock = threading.Lock()

    def add(self, path: str, size_bytes: int) -> None:
        """So many more of that file."""
        with self._lock:
            self._sent_bytes += size_bytes
            if self._on_progress is not None:
                self._on_progress(Upload(path=path, sent_bytes=self._sent_bytes, total_bytes=self._total_bytes))


def _told(path: Path, ref: FileRef, tally: _Tally) -> Iterator[bytes]:
    """The bytes of a file, telling how far they are; one that changed since it was hashed is not sent to its end."""
    read_bytes = 0
    for chunk in read_chunks(path):
        read_bytes += len(chunk)
        if read_bytes > ref.size_bytes:
            raise _changed(path)
        yield chunk
        tally.add(ref.path, len(chunk))
    if read_bytes < ref.size_bytes:
        raise _changed(path)


def _changed(path: Path) -> HostileInput:
    return HostileInput(f"{path} changed while it was being sent", field="file", hint="Try again when it is whole.")
