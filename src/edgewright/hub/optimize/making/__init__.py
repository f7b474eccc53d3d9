"""Making: recipes taken step by step, each in a child process, and never the same step twice.

This file imports nothing, because the children that take a single step import it too.
"""
