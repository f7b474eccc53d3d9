"""Steps that rewrite an ONNX graph, and need no more than onnx and onnxruntime."""
