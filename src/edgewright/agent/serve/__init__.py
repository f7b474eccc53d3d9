"""Answers requests for inference, and learns from them on the side.

The app's doors are `inference.Model` and `pipeline.Pipeline`, handed out by `edgewright.agent`; `worker` is the process
that serves one package over a socket. This file imports nothing: who needs one thing does not load the others.
"""
