"""Drift of what a model sees: its inputs, scores, classes and embeddings against what was expected."""
