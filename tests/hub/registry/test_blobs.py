"""Blobs: what lies under a digest has it, and what does not arrive whole leaves nothing."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.contract.errors import InvalidInput
from edgewright.hub.registry import Blobs
from edgewright.hub.registry.blobs import UnknownBlob


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(root) -> set[str]:
    """Everything under the root of the store."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@settings(max_examples=30, deadline=None)
@given(chunks=st.lists(st.binary(max_size=200), max_size=5))
def test_bytes_come_back_whole_under_their_own_digest(tmp_path_factory, chunks):
    blobs = Blobs(tmp_path_factory.mktemp("blobs"))

    sha256 = blobs.put_stream(chunks)

    assert sha256 == digest(b"".join(chunks))
    assert blobs.path(sha256).read_bytes() == b"".join(chunks)
    assert blobs.size(sha256) == len(b"".join(chunks))


def test_a_file_is_stored_as_its_bytes_are(blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)

    sha256, size_bytes = blobs.put_file(tmp_path / "file")

    assert (sha256, size_bytes) == (digest(b"x" * 3_000_000), 3_000_000)


def test_the_same_bytes_twice_are_kept_once(blobs, tmp_path):
    first, second = blobs.put_bytes(b"same"), blobs.put_bytes(b"same")

    assert first == second
    assert files(tmp_path / "blobs") == {f"{first[:2]}/{first}"}


def test_bytes_that_are_not_the_announced_ones_leave_nothing(blobs, tmp_path):
    announced = digest(b"what was announced")

    with pytest.raises(InvalidInput, match="not " + announced) as refusal, blobs.draft() as draft:
        _fill_and_keep(draft, b"something else", announced)

    assert refusal.value.field == "sha256"
    assert files(tmp_path / "blobs") == set()
    assert not blobs.exists(announced)


def test_an_upload_that_breaks_off_leaves_nothing(blobs, tmp_path):
    def chunks():
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        blobs.put_stream(chunks())

    assert files(tmp_path / "blobs") == set()


def test_an_upload_that_is_too_long_leaves_nothing(blobs, tmp_path, monkeypatch):
    monkeypatch.setattr("edgewright.hub.registry.blobs.MAX_BLOB_BYTES", 100)

    with pytest.raises(InvalidInput, match="at most 100 bytes"):
        blobs.put_bytes(b"x" * 101)

    assert files(tmp_path / "blobs") == set()
    assert blobs.put_bytes(b"x" * 100)


def test_what_a_crash_left_of_uploads_is_swept(blobs, tmp_path):
    kept = blobs.put_bytes(b"kept")
    (tmp_path / "blobs" / "incoming" / "tmp1234").write_bytes(b"half")

    blobs.sweep()

    assert files(tmp_path / "blobs") == {f"{kept[:2]}/{kept}"}


@pytest.mark.parametrize("sha256", ["", "abc", "A" * 64, "../" * 22, "0" * 63 + "/", "g" * 64])
def test_what_is_no_digest_leads_nowhere(blobs, sha256):
    with pytest.raises(InvalidInput, match="no SHA-256") as refusal:
        blobs.path(sha256)

    assert refusal.value.field == "sha256"


def test_an_unknown_digest_is_named(blobs):
    with pytest.raises(UnknownBlob, match="0" * 64):
        blobs.size("0" * 64)

    assert not blobs.exists("0" * 64)


def _fill_and_keep(draft, data, announced):
    draft.write(data)
    draft.keep(announced)
