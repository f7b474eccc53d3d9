"""What runs inside an emulated machine, which has numpy and onnxruntime alone: MODEL FEEDS.npz ANSWERS.npz."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime

FATAL_ONLY = 4


def main(model: str, feeds: str, answers: str) -> None:
    """Load the model on one thread, and keep all outputs on these feeds by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with np.load(feeds, allow_pickle=False) as arrays:
        outputs = session.run(None, dict(arrays))
    names = [node.name for node in session.get_outputs()]
    np.savez(answers, allow_pickle=False, **dict(zip(names, outputs, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
