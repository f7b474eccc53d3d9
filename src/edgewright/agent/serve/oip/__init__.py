"""The Open Inference Protocol v2 (KServe's and Triton's REST form): its paths, its messages, its two ways with tensors.

`routes`, `messages` and `asked` know no numpy, so that the gateway can pass tensors on as bytes; `arrays` and
`service` turn them into arrays and answer. See docs/reference/inference-protocol.md.
"""
