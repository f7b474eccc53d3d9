"""Tensor-aware deltas between two files, lossless to the bit."""
