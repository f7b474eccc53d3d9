"""Inference in the app's process, and what is learnt on the side: profiles, copies for a trial, samples.

The door is `inference.Model`, handed out as `edgewright.agent.Model`. This file imports nothing, because the worker
imports `package` and `copies` from here and needs nothing else.
"""
