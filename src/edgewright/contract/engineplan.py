"""How a device shall build an engine of an ONNX model: what the hub writes into the model's metadata, devices read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.contract.wire import read_json

KEY = "edgewright.engine"
"""Of the model's metadata_props."""

MAX_ROWS = 4096


class EnginePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine answers requests of 1 to `max_rows` rows and is at its best with one; float numbers may be computed
    in half precision, and those between QuantizeLinear and DequantizeLinear in eight bits.
    """

    format: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS)] = 32
    half: bool = True
    int8: bool = False


def encode(plan: EnginePlan) -> str:
    """The value of the metadata; equal plans give equal text."""
    return msgspec.json.encode(plan, order="deterministic").decode()


def decode(text: str) -> EnginePlan:
    """Raises HostileInput."""
    return read_json(text.encode(), EnginePlan, "an engine plan")
