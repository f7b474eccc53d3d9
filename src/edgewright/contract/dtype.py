"""Element types that a contract may name."""

from __future__ import annotations

from enum import StrEnum


class Dtype(StrEnum):
    """Element types that a contract may name (numpy's names)."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    FLOAT16 = "float16"
    INT64 = "int64"
    INT32 = "int32"
    INT8 = "int8"
    UINT8 = "uint8"
    BOOL = "bool"
    STRING = "str"
