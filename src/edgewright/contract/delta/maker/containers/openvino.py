"""OpenVINO IR: the .xml says which constants lie where in the .bin; read with caps, and without any entity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from edgewright.contract.delta.coding.elements import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
)
from edgewright.contract.delta.maker.containers.tensor import Tensor

_ELEMENTS = {
    "f32": FLOAT32, "f16": FLOAT16, "bf16": BFLOAT16, "f64": FLOAT64, "i8": INT8, "u8": INT8, "boolean": INT8,
    "i16": INT16, "u16": INT16, "i32": INT32, "u32": INT32, "i64": INT64, "u64": INT64,
}  # fmt: skip
_MAX_LAYOUT_BYTES = 64 << 20
_MAX_DEPTH = 64
_PIECE_BYTES = 1 << 16


def walk_layout(path: Path) -> Iterator[Tensor]:
    """The constants that an OpenVINO .xml tells of; ValueError if it is none, too large, or uses entities."""
    reading = _Reading()
    size = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            if size > _MAX_LAYOUT_BYTES:
                raise ValueError("the layout is too large")
            yield from reading.feed(piece)
    yield from reading.feed(b"", is_last=True)


class _Reading:
    """A pull parser: bytes in, tensors out."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.ExternalEntityRefHandler = _refuse
        self._depth = 0
        self._layer = ""
        self._found: list[Tensor] = []

    def feed(self, data: bytes, *, is_last: bool = False) -> list[Tensor]:
        """The tensors that these further bytes tell of."""
        self._found = []
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            raise ValueError(f"the layout is not XML: {error}") from error
        return self._found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError("the layout is nested too deeply")
        if name == "layer":
            self._layer = attributes.get("name", "") if attributes.get("type") == "Const" else ""
        elif name == "data" and self._layer and attributes.get("element_type") in _ELEMENTS:
            self._found.append(_constant(self._layer, attributes))

    def _end(self, name: str) -> None:
        self._depth -= 1


def _constant(name: str, attributes: dict[str, str]) -> Tensor:
    shape = tuple(int(side) for side in attributes.get("shape", "").split(",") if side.strip())
    element = _ELEMENTS[attributes["element_type"]]
    return Tensor(name, element, shape, int(attributes["offset"]), int(attributes["size"]))


def _refuse(*_: object) -> int:
    raise ValueError("the layout declares entities or a document type")
