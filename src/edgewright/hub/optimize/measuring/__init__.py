"""Measuring: what a variant is worth and what it costs, against its source, in fresh processes."""
