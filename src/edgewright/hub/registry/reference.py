"""Makes a version's reference profile, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from edgewright.contract.profile import build_schema, encode_schema
from edgewright.contract.tensors import Contract

MAX_ROWS = 50_000


def build(model: Path, train: Path, contract: Contract, name: str, version: int) -> bytes:
    """Run the model over its training rows and return the encoded profile schema."""
    with np.load(train, allow_pickle=False) as arrays:
        inputs = {spec.name: arrays[spec.name][:MAX_ROWS].astype(spec.dtype) for spec in contract.inputs}
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [spec.name for spec in contract.outputs]
    outputs = dict(zip(names, session.run(names, inputs), strict=True))
    schema = build_schema(contract, name, version, inputs, outputs)
    return encode_schema(schema)


def main(argv: list[str]) -> None:
    """Entry of the child process: MODEL TRAIN CONTRACT NAME VERSION OUT."""
    model, train, contract, name, version, out = argv
    spec = msgspec.json.decode(Path(contract).read_bytes(), type=Contract)
    Path(out).write_bytes(build(Path(model), Path(train), spec, name, int(version)))


if __name__ == "__main__":
    main(sys.argv[1:])
