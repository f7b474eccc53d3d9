"""Automate: pipelines, training, champion and challenger, and the triggers that close the loop.

This file imports nothing, because the children that clean rows and compare and ask models import it too.
"""
