"""Sources of versions as files: how large one may be, and what the first bytes give away as something else."""

from __future__ import annotations

MAX_SOURCE_BYTES = 512 * 1024 * 1024
HEAD_BYTES = 8
"""How much of a file `foreign_kind` wants to see."""

_PICKLE = "a pickle; Edgewright never loads pickles"
_COMPRESSED = "a compressed pickle (joblib); Edgewright never loads pickles"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    *((bytes((0x80, protocol)), _PICKLE) for protocol in range(2, 6)),
    *((bytes((0x78, level)), _COMPRESSED) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"PK\x03\x04", "a ZIP archive (torch keeps a pickle in one); Edgewright never loads pickles"),
    (b"\x1f\x8b", "a gzip archive; Edgewright never unpacks archives"),
    (b"BZh", "a bzip2 archive; Edgewright never unpacks archives"),
    (b"\xfd7zXZ\x00", "an xz archive; Edgewright never unpacks archives"),
    (b"\x89HDF", "an HDF5 file, not ONNX"),
)


def foreign_kind(head: bytes) -> str:
    """What a file is by its first bytes, in words that follow 'the model is', where no version can be made of it."""
    return next((what for magic, what in _MAGIC if head.startswith(magic)), "")


def is_tflite(head: bytes) -> bool:
    """Whether a file is a TFLite flatbuffer by its file identifier."""
    return head[4:8] == b"TFL3"
